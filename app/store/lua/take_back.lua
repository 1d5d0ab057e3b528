-- Recovers an attempt whose lease has expired: the task runs again, or fails if it has cost too many workers.
-- ARGV: task_id, epoch, now_ms, queue_key, message, max_losses, error, attempt, actor, failure
-- max_losses: the task fails at this number of losses · error, attempt: JSON · failure: what `index_failure` takes
-- Returns the new status, or '' if the lease was renewed or the task is gone.
local LEASE_EXPIRED = 'lease expired'
local k = key(task_id)
local task = read(k, 'status', 'epoch', 'lease_until_ms', 'stop_requested_ms')
if task.status ~= 'running' or task.epoch ~= epoch then return '' end
if tonumber(task.lease_until_ms or '0') >= tonumber(now_ms) then return '' end
count_end(now_ms, read(k, 'kind', 'task_type'), 'lost')
if task.stop_requested_ms then
  finish(task_id, 'stopped', now_ms, actor, STOP_REQUESTED)
  return 'stopped'
end
if add(k, 'losses', 1) >= tonumber(max_losses) then
  set(k, {error = error})
  finish(task_id, 'failed', now_ms, actor, LEASE_EXPIRED, failure)
  return 'failed'
end
move(task_id, 'queued', now_ms, actor, LEASE_EXPIRED)
record_attempt(task_id, attempt)
redis.call('ZREM', P .. 'leases', task_id)
unset(k, 'lease_until_ms', 'worker', 'started_ms', 'claim')
set(k, {queued_ms = now_ms})
enqueue(task_id, 'queued', now_ms, now_ms, queue_key, message)
return 'queued'
