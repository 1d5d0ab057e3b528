-- Reads what an event stream of one task shows.
-- ARGV: task_id, offset
-- offset: bytes of stdout that the stream has shown already
-- Returns {} for no such task, or {record as a flat list, stdout from the offset, the list of status changes}.
local k = key(task_id)
local record = redis.call('HGETALL', k)
if #record == 0 then return {} end
local stdout = redis.call('GETRANGE', k .. ':stdout', offset, -1)
return {
  record,
  string.gsub(stdout, '^[\128-\191]+', ''),  -- a caller's own offset may split a character
  redis.call('LRANGE', k .. ':history', 0, -1),
}
