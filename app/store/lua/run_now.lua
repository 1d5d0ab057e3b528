-- Creates one task of a scheduled task, independently of its timing.
-- ARGV: now_ms, request_key, request_value, most_waiting, schedule_id, task…
-- request_key, request_value, most_waiting: as `admit` reads them · task: the values of TASK
-- Returns 1, or 0 if there is no such scheduled task, or the result of `admit` if nothing was created.
local k = schedule_key(schedule_id)
if redis.call('EXISTS', k) == 0 then return 0 end
local created = task_at(task)
local refused = admit(request_key, request_value, most_waiting, 1, created.id)
if refused then return refused end
if create(created, now_ms, take_seqs(now_ms, 1)) then
  add(k, 'manual_count', 1)
  set(k, {last_task_id = created.id})
end
flush()
return 1
