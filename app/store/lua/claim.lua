-- Starts an attempt if the task still needs one: queued -> running, or waiting -> running if it is due.
-- ARGV: task_id, now_ms, lease_until_ms, worker, kinds, claim, expired
-- kinds: the kinds that the worker runs, each surrounded by commas
-- claim: identifies this call. A call that is sent again, because its connection was lost, gets the same answer
-- expired: as `expire` of _lib.lua reads it
-- Returns {'running', what `granted` of _lib.lua returns…}, or {status} if there is nothing to start ('' for no such
-- task, 'early' if it is not due yet, 'elsewhere' if another worker must run it: its kind was changed after this message
-- was sent, 'expired' if it could not start in time and has failed for that now).
local task = row(key(task_id), STARTED)
if not task.status then return {''} end
if not is_among(task.kind, kinds) then return {'elsewhere'} end

if task.status == 'running' and task.claim == claim then return {'running', granted(task_id)} end
if task.status == 'waiting' then
  if tonumber(task.due_ms) > tonumber(now_ms) then
    -- The clocks differ, or the task was postponed. Its message is sent again when it is due.
    mark_older_message(task_id)
    if redis.call('ZREM', P .. 'sent', task_id) == 1 then redis.call('ZADD', P .. 'due', task.due_ms, task_id) end
    return {'early'}
  end
elseif task.status ~= 'queued' then
  return {task.status}
end
if is_expired(task_id, now_ms) then
  expire(task_id, now_ms, worker, expired)
  return {'expired'}
end
start(task_id, task, now_ms, lease_until_ms, worker, claim)
return {'running', granted(task_id)}
