-- Returns tasks that a worker has fetched but not started to the front of their queue, or to the waiting tasks.
-- ARGV: messages…
-- messages: task id, queue key and message for each task
-- A queued task keeps the time its message was sent, and thereby its age.
-- Returns the number of returned tasks.
local LOOKED_AT = 100  -- messages in front, at most

-- Puts a message behind those in front that are older, or of no queued task. Threads give back what they hold in any
-- order, and the oldest task comes first.
local function put_by_age(list, task_id, message)
  local queued = queued_key(task_id)
  local sent_ms = tonumber(redis.call('ZSCORE', queued, task_id))

  local function is_younger(id)
    local ms = tonumber(redis.call('ZSCORE', queued, id))
    if ms ~= sent_ms then return ms and ms > sent_ms end
    return tonumber(get(key(id), 'seq')) > tonumber(get(key(task_id), 'seq'))
  end

  local older = 0
  while sent_ms and older < LOOKED_AT do
    local text = redis.call('LINDEX', list, -1 - older)
    local other = text and task_in_message(text)
    if not text or other and is_younger(other) then break end
    older = older + 1
  end
  local in_front = older > 0 and redis.call('RPOP', list, older) or {}
  redis.call('RPUSH', list, message)
  for i = #in_front, 1, -1 do redis.call('RPUSH', list, in_front[i]) end
end

local back = 0
for i = messages, #ARGV, 3 do
  local task_id, queue_key, message = unpack(ARGV, i, i + 2)
  local task = read(key(task_id), 'status', 'due_ms')
  if task.status == 'queued' then
    put_by_age(queue_key, task_id, message)
    back = back + 1
  elseif task.status == 'waiting' and redis.call('ZREM', P .. 'sent', task_id) == 1 then
    redis.call('ZADD', P .. 'due', task.due_ms, task_id)
    back = back + 1
  end
end
return back
