-- Marks as queued what a worker holds by countdown and has not started although it is due (all of it is busy, or gone).
-- ARGV: now ms, due before ms, how many, who looks
-- Returns the number of tasks.
local found = redis.call('ZRANGEBYSCORE', P .. 'sent', '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(found) do
  redis.call('ZREM', P .. 'sent', id)
  local due = redis.call('HGET', key(id), 'du')
  if due then
    redis.call('HSET', key(id), 'qd', due)
    note_older_message(id)
    move(id, 'queued', ARGV[1], ARGV[4], 'its time has come')
    redis.call('ZADD', P .. 'queued', due, id)
  end
end
return #found
