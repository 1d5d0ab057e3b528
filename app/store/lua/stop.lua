-- Stops a task (`stop` of _lib.lua).
-- ARGV: id, now ms, force (1 or 0): end the record of a running one, whose worker did not answer; who asks
-- Returns {status before, '' for no such task; status now}.
local before, after = stop(ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4], 'a stop was asked for')
return {before, after}
