-- Reads the task that a delivery is about, or what was left of it to the delivery when it was removed.
-- ARGV: delivery_id, task_id
-- Returns {record as a flat list (empty if it is gone), result, stdout ('' for none)}.
local k, part = subject_of(delivery_id, task_id)
return {redis.call('HGETALL', k), result_of(k, part), redis.call('GET', part .. ':stdout') or ''}
