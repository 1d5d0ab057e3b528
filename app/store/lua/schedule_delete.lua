-- Removes a scheduled task. Tasks that it created remain.
-- ARGV: schedule_id
-- Returns 1, or 0 if there was none.
local k = schedule_key(schedule_id)
local schedule = read(k, 'status', 'kind', 'key')
if not schedule.status then return 0 end
redis.call('ZREM', schedule_index(schedule.kind, schedule.status), schedule_id)
redis.call('ZREM', P .. 'cron', schedule_id)
if schedule.key then redis.call('DEL', P .. 'keyed:' .. schedule.key) end
redis.call('DEL', k, k .. ':spec', k .. ':firings')
return 1
