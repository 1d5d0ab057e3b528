-- Removes every trace of a task that is not running.
-- ARGV: task_id
-- Returns its status ('' for no such task); 'running' means that nothing was removed.
local task = read(key(task_id), 'status', 'inbox')
if not task.status then return '' end
if task.status ~= 'running' then
  erase(task_id)
  notify(task_id, 'deleted', task.inbox)
end
return task.status
