-- Removes a scheduled task; the tasks that it created stay.
-- ARGV: id
-- Returns 1 where there was one.
local k = P .. 's:' .. ARGV[1]
local r = redis.call('HMGET', k, 'st', 'k', 'key')
if not r[1] then return 0 end
redis.call('ZREM', P .. 'sx:' .. r[2] .. ':' .. r[1], ARGV[1])
redis.call('ZREM', P .. 'cron', ARGV[1])
if r[3] then redis.call('DEL', P .. 'keyed:' .. r[3]) end
redis.call('DEL', k, k .. ':spec', k .. ':firings')
return 1
