-- Reads a scheduled task.
-- ARGV: schedule_id
-- Returns {record as a flat list ({} for none), body ('' for none)}.
local k = schedule_key(schedule_id)
return {redis.call('HGETALL', k), redis.call('GET', k .. ':spec') or ''}
