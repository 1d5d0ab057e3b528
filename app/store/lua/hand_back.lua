-- Gives back what a worker has fetched and not started: to the front of its queue, or among the waiting ones.
-- ARGV: number of tasks, then of each: id, queue key, message
-- A queued task keeps the time since when its message has been out: it is as old as it was.
-- Returns the number given back.
local back = 0
for i = 2, 1 + 3 * tonumber(ARGV[1]), 3 do
  local id = ARGV[i]
  local r = redis.call('HMGET', key(id), 'st', 'du')
  if r[1] == 'queued' then
    redis.call('RPUSH', ARGV[i + 1], ARGV[i + 2])
    back = back + 1
  elseif r[1] == 'waiting' and redis.call('ZREM', P .. 'sent', id) == 1 then
    redis.call('ZADD', P .. 'due', r[2], id)
    back = back + 1
  end
end
return back
