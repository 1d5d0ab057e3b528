-- Changes the status of a scheduled task: active -> paused, paused -> active, active -> ended.
-- ARGV: schedule_id, now_ms, before, after, next_run_ms, seen_revision
-- before: the required current status · after: the new status · next_run_ms: '' for none
-- seen_revision: the revision from which next_run_ms was computed, '' if that does not matter
-- Returns {status before ('' for no such scheduled task), status after}: both `before` if it was changed since it was seen.
if seen_revision ~= '' then
  local seen = read(schedule_key(schedule_id), 'status', 'revision')
  if seen.status == before and seen.revision ~= seen_revision then return {before, before} end
end
return {switch_schedule(schedule_id, now_ms, before, after, next_run_ms)}
