-- Reads what an event stream of one task shows.
-- ARGV: task_id, offset
-- offset: bytes of stdout that the stream has shown already
-- Returns {} for no such task, or {status, created_ms, schedule id ('' for none), stdout from the offset, status changes}.
local k = key(task_id)
local task = read(k, 'status', 'created_ms', 'scheduled_task_id')
if not task.status then return {} end
local stdout = redis.call('GETRANGE', k .. ':stdout', offset, -1)
return {
  task.status,
  task.created_ms,
  task.scheduled_task_id or '',
  string.gsub(stdout, '^[\128-\191]+', ''),  -- a caller's own offset may split a character
  redis.call('LRANGE', k .. ':history', 0, -1),
}
