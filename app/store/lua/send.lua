-- Sends the messages of tasks whose time is near, or whose message was lost.
-- ARGV: now_ms, actor, messages…
-- messages: of each: task id, due ms that was seen, queue key, message
-- Only a task that is as it was seen is sent: waiting with no message out, or queued.
-- Returns the number sent.
local sent = 0
for i = messages, #ARGV, 4 do
  local id, due_ms, queue_key, message = unpack(ARGV, i, i + 3)
  local task = read(key(id), 'status', 'due_ms')
  if task.status == 'waiting' and task.due_ms == due_ms and redis.call('ZREM', P .. 'due', id) == 1 then
    if tonumber(due_ms) <= tonumber(now_ms) then
      set(key(id), {queued_ms = due_ms})
      move(id, 'queued', now_ms, actor, 'due')
      enqueue(id, 'queued', due_ms, now_ms, queue_key, message)
    else
      enqueue(id, 'waiting', due_ms, now_ms, queue_key, message)
    end
    sent = sent + 1
  elseif task.status == 'queued' and task.due_ms == due_ms then
    mark_older_message(id)
    enqueue(id, 'queued', due_ms, now_ms, queue_key, message)
    sent = sent + 1
  end
end
return sent
