-- Gives back what a worker has fetched and not started: to the front of its queue, or among the waiting ones.
-- ARGV: messages…
-- messages: of each: task id, queue key, message
-- A queued task keeps the time since when its message has been out: it is as old as it was.
-- Returns the number given back.
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
