-- Ends a try of a delivery, unless another try has begun since (fencing by the epoch).
-- ARGV: delivery_id, epoch, now_ms, status, next_try_ms, made
-- status: delivered, failed, or pending for another try at next_try_ms · made: JSON; '' if it does not count
-- Returns the new status, '' for no such delivery, or 'superseded' if the caller no longer holds the try.
local k = delivery_key(delivery_id)
local current = redis.call('HGET', k, 'epoch')
if not current then return '' end
if current ~= epoch or redis.call('ZREM', P .. 'deliveries:leases', delivery_id) == 0 then return 'superseded' end
if made ~= '' then
  redis.call('RPUSH', k .. ':tries', made)
  redis.call('LTRIM', k .. ':tries', -TRIES_KEPT, -1)
  redis.call('HSET', k, 'last_try', made)
  redis.call('HINCRBY', k, 'tried', 1)
end
if made ~= '' or status ~= 'pending' then
  total('try:' .. (redis.call('HEXISTS', k, 'channel') == 1 and 'notice' or 'callback') .. ':' .. status)
end
if status == 'pending' then
  put_back(delivery_id, next_try_ms)
else
  move_delivery(delivery_id, status)
  redis.call('HSET', k, 'finished_ms', now_ms)
  redis.call('HDEL', k, 'next_try_ms')
  redis.call('DEL', k .. ':task', k .. ':result', k .. ':stdout')
end
return status
