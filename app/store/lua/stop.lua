-- Stops a task (`stop` of _lib.lua).
-- ARGV: task_id, now_ms, force, actor
-- force: 1 to end the record of a running task whose worker did not respond, otherwise 0
-- Returns {status before ('' for no such task), status after}.
local before, after = stop(task_id, now_ms, force == '1', actor, STOP_REQUESTED)
return {before, after}
