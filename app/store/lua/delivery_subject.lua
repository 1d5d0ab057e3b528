-- Reads the task that a delivery is about, or what was left of it to the delivery when it was removed.
-- ARGV: delivery_id, task_id
-- Returns {record as a flat list (empty if it is gone), result, stdout ('' for none)}.
local k, part = key(task_id), key(task_id)
if redis.call('EXISTS', k) == 0 then
  part = delivery_key(delivery_id)
  k = part .. ':task'
end
return {redis.call('HGETALL', k), result_of(k, part), redis.call('GET', part .. ':stdout') or ''}
