-- One firing beside the schedule.
-- ARGV: now ms, the terms (3) as `admit` of _lib.lua reads them, schedule id, then the task as `create` reads it
-- Returns 1, or 0 where there is no such scheduled task, or what `admit` says where nothing was created.
local k = P .. 's:' .. ARGV[5]
if redis.call('EXISTS', k) == 0 then return 0 end
local refused = admit(2, 1)
if refused then return refused end
local _, is_new = create(ARGV[1], 6)
if is_new then
  redis.call('HINCRBY', k, 'runs', 1)
  redis.call('HSET', k, 'last', ARGV[6])
end
return 1
