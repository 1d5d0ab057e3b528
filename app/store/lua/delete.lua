-- Removes every trace of a task that does not run.
-- ARGV: id
-- Returns its status ('' for no such task); 'running' means that nothing was done.
local r = redis.call('HMGET', key(ARGV[1]), 'st', 'ib')
local status = r[1]
if not status then return '' end
if status ~= 'running' then
  erase(ARGV[1])
  tell(ARGV[1], 'deleted', r[2])
end
return status
