-- Ends the attempt that a worker holds. An attempt that it no longer holds is left unchanged (fencing by the epoch).
-- A stop requested meanwhile takes precedence over another attempt.
-- ARGV: task_id, epoch, now_ms, status, due_ms, queue_key, message, ending, result, stdout, attempt, reason, record,
--       failure
-- status: the new status: succeeded, failed or stopped; waiting or queued to run again
-- queue_key, message: '' for none · result: '' for none · attempt: entry for `attempts` as JSON, '' for none
-- ending: counted, lost, returned (app/domain/outcome.py) · record: all other fields as a JSON array
--   of short name, value, …
-- failure: with the status failed, what `index_failure` takes; else ''
-- Returns the new status, '' for no such task, or 'superseded' if the caller no longer holds the attempt.
local k = key(task_id)
local task = read(k, 'status', 'epoch', 'stop_requested_ms', 'worker')
if not task.status then return '' end
if task.status ~= 'running' or task.epoch ~= epoch then return 'superseded' end
local again = status == 'waiting' or status == 'queued'
if again and task.stop_requested_ms then again, status, reason = false, 'stopped', STOP_REQUESTED end
local fields = cjson.decode(record)
if #fields > 0 then redis.call('HSET', k, unpack(fields)) end
if result ~= '' then redis.call('SET', k .. ':result', result) end
if stdout ~= '' then redis.call('SET', k .. ':stdout', stdout) end
if not again then
  finish(task_id, status, now_ms, task.worker, reason, failure)
  if status ~= 'stopped' then
    local duration_ms = get(k, 'duration_ms')
    if duration_ms then count(now_ms, 'd' .. bucket(duration_ms)) end
  end
  return status
end
if attempt ~= '' then record_attempt(task_id, attempt) end
if ending == 'returned' then  -- as if the attempt had never started
  add(k, 'attempt', -1)
  unset(k, 'error', 'duration_ms', 'stdout_truncated', 'cpu_ms', 'memory_kb')
  redis.call('DEL', k .. ':result', k .. ':stdout')
  due_ms = get(k, 'due_ms')
  if get(k, 'attempt') == '0' then set_expiry(task_id, due_ms, get(k, 'expires_in')) end
end
if ending == 'lost' then add(k, 'losses', 1) end
redis.call('ZREM', P .. 'leases', task_id)
unset(k, 'lease_until_ms', 'worker', 'started_ms', 'claim')
set(k, {due_ms = due_ms})
if status == 'queued' then set(k, {queued_ms = now_ms}) else unset(k, 'queued_ms') end
move(task_id, status, now_ms, task.worker, reason)
enqueue(task_id, status, due_ms, now_ms, queue_key, message)
return status
