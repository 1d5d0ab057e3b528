-- Reads the task that a delivery is about, or what was left of it to the delivery when it was removed.
-- ARGV: delivery_id, task_id
-- Returns {record as a flat list (empty if it is gone), result, stdout ('' for none)}.
local k = key(task_id)
local record, part = redis.call('HGETALL', k), k
if #record == 0 then
  part = delivery_key(delivery_id)
  record = redis.call('HGETALL', part .. ':task')
end
return {record, redis.call('GET', part .. ':result') or '', redis.call('GET', part .. ':stdout') or ''}
