-- Removes a scheduled task. Tasks that it created remain.
-- ARGV: schedule_id
-- Returns 1, or 0 if there was none.
return erase_schedule(schedule_id) and 1 or 0
