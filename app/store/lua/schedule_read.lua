-- Reads a scheduled task.
-- ARGV: schedule_id
-- Returns {record as a flat list ({} for none), what `kept_beside` returns…}.
local k = schedule_key(schedule_id)
return {redis.call('HGETALL', k), kept_beside(k)}
