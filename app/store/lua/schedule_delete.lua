-- Removes a scheduled task; the tasks that it created stay.
-- ARGV: id
-- Returns 1 where there was one.
local k = P .. 's:' .. ARGV[1]
local r = redis.call('HMGET', k, 'st', 'k')
if not r[1] then return 0 end
redis.call('ZREM', P .. 'sx:' .. r[2] .. ':' .. r[1], ARGV[1])
redis.call('ZREM', P .. 'cron', ARGV[1])
redis.call('DEL', k, k .. ':spec')
return 1
