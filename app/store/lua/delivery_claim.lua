-- Starts tries of deliveries that are due: notices before callbacks, of which thousands may wait for a receiver that hangs.
-- ARGV: now_ms, lease_until_ms, limit
-- Returns {id, record as a flat list, subject, id, …}. subject: the record of the task that the delivery is about, as a flat
-- list; empty if there is none, if the delivery says all by itself, or if the task is large (`delivery_subject` reads it).
local function small_subject(id, record)
  local task_id
  for i = 1, #record, 2 do
    if record[i] == 'data' then return {} end
    if record[i] == 'task_id' then task_id = record[i + 1] end
  end
  if not task_id then return {} end
  local k, part = subject_of(id, task_id)
  if redis.call('EXISTS', part .. ':result', part .. ':stdout') > 0 then return {} end
  return redis.call('HGETALL', k)
end

local claimed = {}
for _, index in ipairs({'deliveries:due:notices', 'deliveries:due'}) do
  local room = limit - #claimed / 3
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. index, '-inf', now_ms, 'LIMIT', 0, room)) do
    redis.call('ZREM', P .. 'deliveries:due:notices', id)
    -- A process of a version before that index takes a notice out of the other one alone.
    if redis.call('ZREM', P .. 'deliveries:due', id) == 1 then
      redis.call('ZADD', P .. 'deliveries:leases', lease_until_ms, id)
      redis.call('HINCRBY', delivery_key(id), 'epoch', 1)
      local record = redis.call('HGETALL', delivery_key(id))
      claimed[#claimed + 1] = id
      claimed[#claimed + 1] = record
      claimed[#claimed + 1] = small_subject(id, record)
    end
  end
end
return claimed
