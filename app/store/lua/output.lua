-- Writes what a running program has printed so far.
-- ARGV: task_id, epoch, offset, text
-- offset: bytes of stdout before this piece. A call that is sent again writes the same bytes again
-- Returns 1, or 0 if the caller no longer holds the attempt.
local k = key(task_id)
local task = read(k, 'status', 'epoch')
if task.status ~= 'running' or task.epoch ~= epoch then return 0 end
redis.call('SETRANGE', k .. ':stdout', offset, text)
redis.call('PUBLISH', P .. 'changed:' .. task_id, 'stdout')
return 1
