-- One firing beside the schedule.
-- ARGV: now ms, schedule id, then the task as `create` of _lib.lua reads it
-- Returns 1, or 0 where there is no such scheduled task.
local k = P .. 's:' .. ARGV[2]
if redis.call('EXISTS', k) == 0 then return 0 end
create(ARGV[1], 3)
redis.call('HINCRBY', k, 'runs', 1)
redis.call('HSET', k, 'last', ARGV[3])
return 1
