-- Changes the status of a scheduled task: active -> paused, paused -> active, active -> ended.
-- ARGV: schedule_id, now_ms, before, after, next_run_ms
-- before: the required current status · after: the new status · next_run_ms: '' for none
-- Returns {status before ('' for no such scheduled task), status after}.
local k = schedule_key(schedule_id)
local status = get(k, 'status')
if not status then return {'', ''} end
if status ~= before then return {status, status} end
set(k, {updated_ms = now_ms})
add(k, 'revision', 1)
move_schedule(schedule_id, after, next_run_ms)
redis.call('PUBLISH', P .. 'beat', 'moved')
return {status, after}
