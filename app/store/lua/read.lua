-- Reads one full task.
-- ARGV: task_id
-- Returns what `everything_of` returns, {{}} for no such task.
return everything_of(task_id) or {{}}
