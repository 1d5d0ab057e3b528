-- Ends the attempt that a worker holds, and starts the next task if the worker asks for one.
-- An attempt that it no longer holds is left unchanged (fencing by the epoch). A stop requested meanwhile takes
-- precedence over another attempt.
-- ARGV: task_id, epoch, now_ms, status, due_ms, queue_key, message, ending, result, stdout, attempt, reason, record,
--       failure, queues, kinds, worker, lease_until_ms, claim
-- status: the new status: succeeded, failed or stopped; waiting or queued to run again
-- queue_key, message: '' for none · result: what is kept of it beside the record, '' for none
-- attempt: entry for `attempts` as JSON, '' for none
-- ending: counted, lost, returned (app/domain/outcome.py) · record: all other fields as a JSON array
--   of short name, value, …
-- failure: with the status failed, what `index_failure` takes; else ''
-- queues: from which the worker takes its next task, separated by commas; '' if it wants none
-- kinds: as in `claim` · claim: identifies this call, as "place:number"; a place makes one call after the other. A call
--   that is repeated, because its reply was lost, gets the task that it has started, even if it wants none any more
-- claim, kinds, worker, lease_until_ms: '' if it never wanted one
-- Returns {status}: the new status, '' for no such task, or 'superseded' if the caller no longer holds the attempt; with
-- a next task {status, task id, what `granted` of _lib.lua returns…}.
local function value_in(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local function complete()
  local k = key(task_id)
  local task = read(k, 'status', 'epoch', 'stop_requested_ms', 'worker')
  if not task.status then return '' end
  if task.status ~= 'running' or task.epoch ~= epoch then return 'superseded' end
  local again = status == 'waiting' or status == 'queued'
  if again and task.stop_requested_ms then again, status, reason = false, 'stopped', STOP_REQUESTED end
  local fields = cjson.decode(record)
  redis.call('HSET', k, unpack(fields))  -- there is always the duration
  if result ~= '' then redis.call('SET', k .. ':result', result) end
  if stdout ~= '' then redis.call('SET', k .. ':stdout', stdout) end
  local duration_ms = value_in(fields, F.duration_ms)
  if not again then
    if ending == 'lost' then count_end(now_ms, read(k, 'kind', 'task_type'), ending) end
    local has_duration = ending == 'counted' and status ~= 'stopped'
    finish(task_id, status, now_ms, task.worker, reason, failure, true, has_duration and duration_ms or nil)
    return status
  end
  count_end(now_ms, read(k, 'kind', 'task_type'), ending == 'counted' and 'retried' or ending,
            ending == 'counted' and duration_ms or nil)
  move(task_id, status, now_ms, task.worker, reason)
  if attempt ~= '' then record_attempt(task_id, attempt) end
  if ending == 'returned' then  -- as if the attempt had never started
    add(k, 'attempt', -1)
    unset(k, 'error', 'duration_ms', 'result', 'stdout_truncated', 'cpu_ms', 'memory_kb')
    redis.call('DEL', k .. ':result', k .. ':stdout')
    due_ms = get(k, 'due_ms')
    if get(k, 'attempt') == '0' then set_expiry(task_id, due_ms, get(k, 'expires_in')) end
  end
  if ending == 'lost' then add(k, 'losses', 1) end
  redis.call('ZREM', P .. 'leases', task_id)
  unset(k, 'lease_until_ms', 'worker', 'started_ms', 'claim')
  set(k, {due_ms = due_ms})
  if status == 'queued' then set(k, {queued_ms = now_ms}) else unset(k, 'queued_ms') end
  enqueue(task_id, status, due_ms, now_ms, queue_key, message)
  return status
end

-- The oldest message of the highest priority, and its list: the one that Celery's consumer would get. nil for none.
local function next_message()
  for priority = 0, PRIORITIES - 1 do
    local suffix = priority == 0 and '' or PRIORITY_SEPARATOR .. priority
    for queue in string.gmatch(queues, '[^,]+') do
      local list = P .. queue .. suffix
      local found = redis.call('LINDEX', list, -1)
      if found then return list, found end
    end
  end
end

local LOOKED_AT = 100  -- messages, at most

-- Takes the next message and starts its task. Removes messages in front whose tasks are over, as after a stop of many.
-- Leaves any other message to Celery's consumer if its task can't start now. Returns the task's id, nil for none.
local function take_next()
  for _ = 1, LOOKED_AT do
    local list, found = next_message()
    local id = found and task_in_message(found)
    if not id then return nil end
    local task = row(key(id), STARTED)
    if not is_over(task.status) then
      if task.status ~= 'queued' or not is_among(task.kind, kinds) or is_expired(id, now_ms) then return nil end
      redis.call('RPOP', list)
      start(id, task, now_ms, lease_until_ms, worker, claim)
      return id
    end
    redis.call('RPOP', list)
  end
end

-- The task that this call started when it arrived before, and is still the worker's; its lease is renewed.
local function taken_before(place)
  local id = string.match(answer_of(place) or '', '^' .. claim .. ' (.+)$')
  local task = id and read(key(id), 'status', 'claim')
  if not id or task.status ~= 'running' or task.claim ~= claim then return nil end
  redis.call('ZADD', P .. 'leases', lease_until_ms, id)
  set(key(id), {lease_until_ms = lease_until_ms})
  return id
end

local ended = complete()
if claim == '' then return {ended} end
local place = string.match(claim, '^%w+')
local may_be_repeated = ended == '' or ended == 'superseded'
local id = may_be_repeated and taken_before(place) or queues ~= '' and take_next()
if not id then return {ended} end
remember_answer(place, claim .. ' ' .. id)
return {ended, id, granted(id)}
