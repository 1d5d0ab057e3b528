-- One firing beside the schedule.
-- ARGV: now ms, the conditions (3) as `admit` of _lib.lua reads them, schedule id, then the task as `read_task` reads it
-- Returns 1, or 0 where there is no such scheduled task, or what `admit` says where nothing was created.
local now, k = ARGV[1], P .. 's:' .. ARGV[5]
if redis.call('EXISTS', k) == 0 then return 0 end
local refused = admit(2, 1, ARGV[6])
if refused then return refused end
local task = read_task(6)
if create(now, take_seqs(now, 1), unpack(task)) then
  redis.call('HINCRBY', k, 'manual', 1)
  redis.call('HSET', k, 'last', task[1])
end
flush()
return 1
