-- Renews the leases of the attempts that a worker runs.
-- ARGV: lease_until_ms, held…
-- held: task id and epoch of each attempt
-- Returns for each attempt 'renewed', 'stopping' if it is renewed and a stop was requested, or 'lost' if the worker no
-- longer holds it.
local answers = {}
for i = held, #ARGV, 2 do
  local task_id, epoch = ARGV[i], ARGV[i + 1]
  local task = read(key(task_id), 'status', 'epoch', 'stop_requested_ms')
  if task.status == 'running' and task.epoch == epoch then
    redis.call('ZADD', P .. 'leases', lease_until_ms, task_id)
    set(key(task_id), {lease_until_ms = lease_until_ms})
    answers[#answers + 1] = task.stop_requested_ms and 'stopping' or 'renewed'
  else
    answers[#answers + 1] = 'lost'
  end
end
return answers
