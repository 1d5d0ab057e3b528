-- Removes every trace of a task that is not running.
-- ARGV: task_id, call
-- call: identifies this call; a call that is sent again because its reply was lost gets the same answer
-- Returns its status ('' for no such task); 'running' means that nothing was removed.
local earlier = answer_of(call)
if earlier then return earlier end
local task = read(key(task_id), 'status', 'inbox')
if not task.status then return '' end
if task.status ~= 'running' then
  erase(task_id)
  notify(task_id, 'deleted', task.inbox)
  remember_answer(call, task.status)
end
return task.status
