-- Fails tasks that have expired: they have not started within `expires_in` after they were due.
-- ARGV: now_ms, limit, failure, actor
-- failure: JSON
-- Returns the number of tasks.
local found = redis.call('ZRANGEBYSCORE', P .. 'expiring', '-inf', '(' .. now_ms, 'LIMIT', 0, limit)
for _, id in ipairs(found) do expire(id, now_ms, actor, failure) end
return #found
