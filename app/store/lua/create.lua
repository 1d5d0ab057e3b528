-- Creates tasks, all in one step. An id that exists already is left as it is.
-- ARGV: now_ms, request_key, request_value, most_waiting, tasks…
-- request_key, request_value, most_waiting: as `admit` reads them · tasks: the values of TASK, of each
-- Returns the number of new ones, or what `admit` says where nothing was created.
local number = (#ARGV - tasks + 1) / #TASK_VALUES
local refused = admit(request_key, request_value, most_waiting, number, ARGV[tasks])
if refused then return refused end
local seq, new = take_seqs(now_ms, number), 0
for i = 0, number - 1 do
  if create(task_at(tasks + i * #TASK_VALUES), now_ms, seq + i) then new = new + 1 end
end
flush()
return new
