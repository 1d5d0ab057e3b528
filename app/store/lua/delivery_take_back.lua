-- Puts back the deliveries whose try was lost with its worker: their lease has expired.
-- ARGV: now_ms, limit
-- Returns the number of deliveries.
local found = redis.call('ZRANGEBYSCORE', P .. 'deliveries:leases', '-inf', '(' .. now_ms, 'LIMIT', 0, limit)
for _, id in ipairs(found) do
  redis.call('ZREM', P .. 'deliveries:leases', id)
  put_back(id, now_ms)
end
if #found > 0 then redis.call('PUBLISH', P .. 'deliveries', 'due') end
return #found
