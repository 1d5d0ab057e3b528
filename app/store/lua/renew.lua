-- Renews the leases of the attempts that a worker runs.
-- ARGV: lease_until_ms, held…
-- held: task id and epoch of each attempt
-- Returns 1 for each attempt that the worker still holds and that has no stop request, otherwise 0.
local kept = {}
for i = held, #ARGV, 2 do
  local task_id, epoch = ARGV[i], ARGV[i + 1]
  local task = read(key(task_id), 'status', 'epoch', 'stop_requested_ms')
  if task.status == 'running' and task.epoch == epoch then
    redis.call('ZADD', P .. 'leases', lease_until_ms, task_id)
    set(key(task_id), {lease_until_ms = lease_until_ms})
    kept[#kept + 1] = task.stop_requested_ms and 0 or 1
  else
    kept[#kept + 1] = 0
  end
end
return kept
