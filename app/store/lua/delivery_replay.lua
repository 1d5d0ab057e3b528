-- Sends a delivery again from now on, or a pending one at once. One that is being tried at this moment is left unchanged.
-- ARGV: delivery_id, now_ms
-- Returns '' for no such delivery, 'gone' if its task is gone and with it what it would say, else 'pending'.
local k = delivery_key(delivery_id)
local delivery = redis.call('HMGET', k, 'status', 'data', 'task_id')
local status, data, task_id = delivery[1], delivery[2], delivery[3]
if not status then return '' end
if status == 'pending' then
  if redis.call('ZSCORE', P .. 'deliveries:due', delivery_id) then put_back(delivery_id, now_ms) end
elseif not data and redis.call('EXISTS', key(task_id)) == 0 then
  return 'gone'
else
  move_delivery(delivery_id, 'pending')
  redis.call('HDEL', k, 'finished_ms', 'tried')
  put_back(delivery_id, now_ms)
end
redis.call('PUBLISH', P .. 'deliveries', 'due')
return 'pending'
