-- Sends the messages of tasks that are nearly due, or whose message was lost.
-- ARGV: now_ms, actor, messages…
-- messages: task id, due time as seen in ms, queue key and message for each task
-- A task is sent only if it is unchanged since it was seen, and either waiting without a message or queued.
-- Returns the number sent.
local sent = 0
for i = messages, #ARGV, 4 do
  local id, due_ms, queue_key, message = unpack(ARGV, i, i + 3)
  local task = read(key(id), 'status', 'due_ms')
  if task.status == 'waiting' and task.due_ms == due_ms and redis.call('ZREM', P .. 'due', id) == 1 then
    if tonumber(due_ms) <= tonumber(now_ms) then
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
