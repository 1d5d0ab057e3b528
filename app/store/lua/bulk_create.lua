-- One step of a bulk that creates tasks: it retries tasks, or runs scheduled tasks.
-- ARGV: bulk_id, position, number, now_ms, most_waiting, tasks…
-- position: as for `bulk_step` · number: how many ids this step settles · most_waiting: as for `admit`
-- tasks: the values of TASK, for each task to create; ids without a task count as failed
-- Returns how many ids were settled, 0 if this step was not the next, or the answer of `admit` if nothing was created.
local found = bulk_step(bulk_id, position, number)
if not found then return 0 end
local count_tasks = (#ARGV - tasks + 1) / #TASK_VALUES
if count_tasks > 0 then
  local refused = admit('', '', most_waiting, count_tasks, ARGV[tasks])
  if refused then return refused end
end

-- Counts a task on its scheduled task. Returns false if that is gone.
local function note(task)
  if task.schedule_id == '' then return true end
  local k = schedule_key(task.schedule_id)
  if redis.call('EXISTS', k) == 0 then return false end
  add(k, 'manual_count', 1)
  set(k, {last_task_id = task.id})
  return true
end

local seq, done = take_seqs(now_ms, math.max(count_tasks, 1)), 0
for i = 0, count_tasks - 1 do
  local task = task_at(tasks + i * #TASK_VALUES)
  if note(task) then
    create(task, now_ms, seq + i)
    done = done + 1
  end
end
flush()
advance_bulk(bulk_id, done, #found - done, now_ms)
return #found
