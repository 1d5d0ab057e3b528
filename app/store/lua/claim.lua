-- Starts an attempt, if the task still waits for one: queued -> running, or waiting -> running when it is due.
-- ARGV: task_id, now_ms, lease_until_ms, worker, kinds, claim
-- kinds: those that the worker runs, between commas
-- claim: names this call. A call that is sent again, since its connection was lost before the answer, gets the same answer
-- Returns {status} where there is nothing to start ('' for no such task, 'early' when it is not due yet, 'elsewhere' when
-- another worker is to run it: its kind was changed after this message was sent), else {'running', record, body}. The
-- epoch counts claims: an attempt that does not count gives its number back, and no two claims may ever look the same
-- (fencing).
local k = key(task_id)
local task = read(k, 'status', 'due_ms', 'kind', 'claim')
if not task.status then return {''} end
if not string.find(kinds, ',' .. task.kind .. ',', 1, true) then return {'elsewhere'} end

local function granted() return {'running', redis.call('HGETALL', k), redis.call('GET', k .. ':spec')} end

if task.status == 'running' and task.claim == claim then return granted() end
if task.status == 'waiting' then
  if tonumber(task.due_ms) > tonumber(now_ms) then
    -- Our clocks differ, or it was put off meanwhile. It is sent again when its time has come.
    mark_older_message(task_id)
    if redis.call('ZREM', P .. 'sent', task_id) == 1 then redis.call('ZADD', P .. 'due', task.due_ms, task_id) end
    return {'early'}
  end
  set(k, {queued_ms = task.due_ms})
elseif task.status ~= 'queued' then
  return {task.status}
end
unschedule(task_id)
redis.call('ZADD', P .. 'leases', lease_until_ms, task_id)
local attempt = add(k, 'attempt', 1)
move(task_id, 'running', now_ms, worker, 'attempt ' .. attempt .. ' starts')
add(k, 'epoch', 1)
set(k, {started_ms = now_ms, worker = worker, lease_until_ms = lease_until_ms, claim = claim})
unset(k, 'finished_ms', 'duration_ms', 'error', 'stdout_truncated', 'cpu_ms', 'memory_kb')
redis.call('DEL', k .. ':result', k .. ':stdout')
count(now_ms, 'w' .. bucket(tonumber(now_ms) - tonumber(task.due_ms)))
return granted()
