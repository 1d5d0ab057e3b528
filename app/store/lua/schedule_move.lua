-- Changes the status of a scheduled task: active -> paused, paused -> active, active -> ended.
-- ARGV: id, now ms, status it must have, status it gets, next firing ms ('' for none)
-- Returns {status before ('' for no such scheduled task), status now}.
local id = ARGV[1]
local k = P .. 's:' .. id
local r = redis.call('HMGET', k, 'st', 'k', 'q')
if not r[1] then return {'', ''} end
if r[1] ~= ARGV[3] then return {r[1], r[1]} end
redis.call('HSET', k, 'st', ARGV[4], 'up', ARGV[2], 'nx', ARGV[5])
redis.call('ZREM', P .. 'sx:' .. r[2] .. ':' .. r[1], id)
redis.call('ZADD', P .. 'sx:' .. r[2] .. ':' .. ARGV[4], r[3], id)
if ARGV[5] == '' then
  redis.call('ZREM', P .. 'cron', id)
else
  redis.call('ZADD', P .. 'cron', ARGV[5], id)
  redis.call('PUBLISH', P .. 'beat', 'resumed')
end
return {r[1], ARGV[4]}
