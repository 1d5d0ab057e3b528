-- Removes every trace of a task that is not running.
-- ARGV: task_id, call
-- call: identifies this call; a call that is sent again because its reply was lost gets the same answer
-- Returns its status ('' for no such task). Nothing was removed if that is 'running', or 'untold': the task has a callback
-- and has not finished, so it has to be stopped first.
local earlier = answer_of(call)
if earlier then return earlier end
local task = read(key(task_id), 'status', 'inbox', 'callback_url')
if not task.status then return '' end
if task.status == 'running' then return 'running' end
if task.callback_url and not FINISHED[task.status] then return 'untold' end
erase(task_id)
notify(task_id, 'deleted', task.inbox)
remember_answer(call, task.status)
return task.status
