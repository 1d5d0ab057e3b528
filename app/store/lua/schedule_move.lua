-- Changes the status of a scheduled task: active -> paused, paused -> active, active -> ended.
-- ARGV: id, now ms, status it must have, status it gets, next firing ms ('' for none)
-- Returns {status before ('' for no such scheduled task), status now}.
local id = ARGV[1]
local k = P .. 's:' .. id
local status = redis.call('HGET', k, 'st')
if not status then return {'', ''} end
if status ~= ARGV[3] then return {status, status} end
redis.call('HSET', k, 'up', ARGV[2])
redis.call('HINCRBY', k, 'rv', 1)
move_schedule(id, ARGV[4], ARGV[5])
redis.call('PUBLISH', P .. 'beat', 'moved')
return {status, ARGV[4]}
