-- Creates tasks atomically. An existing id is left unchanged.
-- ARGV: now_ms, request_key, request_value, most_waiting, tasks…
-- request_key, request_value, most_waiting: as `admit` reads them · tasks: the values of TASK for each task
-- Returns the number of new tasks, or the result of `admit` if nothing was created.
local number = (#ARGV - tasks + 1) / #TASK_VALUES
local refused = admit(request_key, request_value, most_waiting, number, ARGV[tasks])
if refused then return refused end
local seq, new = take_seqs(now_ms, number), 0
for i = 0, number - 1 do
  if create(task_at(tasks + i * #TASK_VALUES), now_ms, seq + i) then new = new + 1 end
end
flush()
return new
