-- Returns tasks that a worker has fetched but not started to the front of their queue, or to the waiting tasks.
-- ARGV: messages…
-- messages: task id, queue key and message for each task
-- A queued task keeps the time its message was sent, and thereby its age.
-- Returns the number of returned tasks.
local back = 0
for i = messages, #ARGV, 3 do
  local task_id, queue_key, message = unpack(ARGV, i, i + 2)
  local task = read(key(task_id), 'status', 'due_ms')
  if task.status == 'queued' then
    redis.call('RPUSH', queue_key, message)
    back = back + 1
  elseif task.status == 'waiting' and redis.call('ZREM', P .. 'sent', task_id) == 1 then
    redis.call('ZADD', P .. 'due', task.due_ms, task_id)
    back = back + 1
  end
end
return back
