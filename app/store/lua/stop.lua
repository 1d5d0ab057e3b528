-- Stops a task (`stop` of _lib.lua).
-- ARGV: task_id, now_ms, force, actor
-- force: 1: end the record of a running one, whose worker did not answer; else 0
-- Returns {status before, '' for no such task; status now}.
local before, after = stop(task_id, now_ms, force == '1', actor, STOP_REQUESTED)
return {before, after}
