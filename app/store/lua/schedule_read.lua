-- Reads a scheduled task.
-- ARGV: schedule_id
-- Returns its record as a flat list ({} for none), and its body ('' for none).
local k = schedule_key(schedule_id)
return {redis.call('HGETALL', k), redis.call('GET', k .. ':spec') or ''}
