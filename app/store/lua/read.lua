-- Reads one full task.
-- ARGV: task_id
-- Returns {record as a flat list (empty for no such task), what `kept_beside` returns…, result and stdout (each '' for
-- none), attempts, status changes}.
local k = key(task_id)
local record = redis.call('HGETALL', k)
if #record == 0 then return {record} end
local body, program = kept_beside(k)
return {
  record,
  body,
  program,
  result_of(k, k),
  redis.call('GET', k .. ':stdout') or '',
  redis.call('LRANGE', k .. ':attempts', 0, -1),
  redis.call('LRANGE', k .. ':history', 0, -1),
}
