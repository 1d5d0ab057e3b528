-- Changes the status of a scheduled task: active -> paused, paused -> active, active -> ended.
-- ARGV: schedule_id, now_ms, before, after, next_run_ms
-- before: the required current status · after: the new status · next_run_ms: '' for none
-- Returns {status before ('' for no such scheduled task), status after}.
return {switch_schedule(schedule_id, now_ms, before, after, next_run_ms)}
