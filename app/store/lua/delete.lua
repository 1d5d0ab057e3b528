-- Removes every trace of a task that does not run.
-- ARGV: id
-- Returns its status ('' for no such task); 'running' means that nothing was done.
local status = redis.call('HGET', key(ARGV[1]), 'st')
if not status then return '' end
if status ~= 'running' then
  erase(ARGV[1])
  redis.call('PUBLISH', P .. 'done:' .. ARGV[1], 'deleted')
end
return status
