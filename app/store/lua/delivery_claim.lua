-- Starts tries of deliveries that are due.
-- ARGV: now_ms, lease_until_ms, limit
-- Returns {id, record as a flat list, id, …}.
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deliveries:due', '-inf', now_ms, 'LIMIT', 0, limit)) do
  redis.call('ZREM', P .. 'deliveries:due', id)
  redis.call('ZADD', P .. 'deliveries:leases', lease_until_ms, id)
  redis.call('HINCRBY', delivery_key(id), 'epoch', 1)
  claimed[#claimed + 1] = id
  claimed[#claimed + 1] = redis.call('HGETALL', delivery_key(id))
end
return claimed
