-- Stops a task (`stop` of _lib.lua).
-- ARGV: task_id, now_ms, force, actor, call
-- force: 1 to end the record of a running task whose worker did not respond, otherwise 0
-- call: identifies this call; a call that is sent again because its reply was lost gets the same status before
-- Returns {status before ('' for no such task), status after}.
local earlier = answer_of(call)
if earlier then
  local status = get(key(task_id), 'status')
  return {status and earlier or '', status or ''}
end
local before, after = stop(task_id, now_ms, force == '1', actor, STOP_REQUESTED)
if before ~= '' and not FINISHED[before] then remember_answer(call, before) end
return {before, after}
