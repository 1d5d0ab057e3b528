-- Sends the messages of tasks whose time is near, or whose message was lost.
-- ARGV: now ms, who sends, number of tasks, then of each: id, due ms that was seen, queue key, message
-- Only a task that is as it was seen is sent: waiting with no message out, or queued.
-- Returns the number sent.
local now, sent = ARGV[1], 0
for i = 4, 3 + 4 * tonumber(ARGV[3]), 4 do
  local id, due = ARGV[i], ARGV[i + 1]
  local r = redis.call('HMGET', key(id), 'st', 'du')
  if r[1] == 'waiting' and r[2] == due and redis.call('ZREM', P .. 'due', id) == 1 then
    if tonumber(due) <= tonumber(now) then
      redis.call('HSET', key(id), 'qd', due)
      move(id, 'queued', now, ARGV[2], 'its time has come')
      enqueue(id, 'queued', due, now, ARGV[i + 2], ARGV[i + 3])
    else
      enqueue(id, 'waiting', due, now, ARGV[i + 2], ARGV[i + 3])
    end
    sent = sent + 1
  elseif r[1] == 'queued' and r[2] == due then
    note_older_message(id)
    enqueue(id, 'queued', due, now, ARGV[i + 2], ARGV[i + 3])
    sent = sent + 1
  end
end
return sent
