-- Reads a scheduled task.
-- ARGV: schedule_id
-- Returns {record as a flat list ({} for none), state of its alert rule as JSON ('' for none), what `kept_beside` returns…}.
local k = schedule_key(schedule_id)
return {redis.call('HGETALL', k), redis.call('HGET', P .. 'alerts:schedules', schedule_id) or '', kept_beside(k)}
