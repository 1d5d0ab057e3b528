-- Takes due firings, each once whoever asks: only one whose next firing still is what the caller saw.
-- ARGV: now ms, number of firings, then of each: schedule id, next firing ms that was seen,
--       following firing ms ('' when none is left), and the task that it creates, as `create` of _lib.lua reads it
-- Returns the number of firings taken.
local now, at, taken = ARGV[1], 3, 0
for _ = 1, tonumber(ARGV[2]) do
  local id, seen, following = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local k = P .. 's:' .. id
  local score = redis.call('ZSCORE', P .. 'cron', id)
  if score and tonumber(score) == tonumber(seen) then
    local task = ARGV[at + 3]
    at = create(now, at + 3)
    redis.call('HINCRBY', k, 'runs', 1)
    redis.call('HSET', k, 'last', task, 'nx', following)
    if following == '' then
      local r = redis.call('HMGET', k, 'k', 'st', 'q')
      redis.call('ZREM', P .. 'cron', id)
      redis.call('ZREM', P .. 'sx:' .. r[1] .. ':' .. r[2], id)
      redis.call('ZADD', P .. 'sx:' .. r[1] .. ':ended', r[3], id)
      redis.call('HSET', k, 'st', 'ended')
    else
      redis.call('ZADD', P .. 'cron', following, id)
    end
    taken = taken + 1
  else
    at = at + 14 + 2 * tonumber(ARGV[at + 13])
  end
end
return taken
