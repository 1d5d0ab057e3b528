-- Adds the counters of minutes that are over to the totals, and keeps them for `GET /api/tasks/stats`.
-- ARGV: before_minute, tags
-- tags: what `totals:tags` is set to if it is missing, because Redis has lost data
-- A process whose clock is behind may still count in such a minute: that opens the minute again, and the next call adds it.
local KEPT_SECONDS = 7200
redis.call('SET', P .. 'totals:tags', tags, 'NX')
for _, minute in ipairs(redis.call('SMEMBERS', P .. 'minute:open')) do
  if tonumber(minute) < tonumber(before_minute) then
    local k = P .. 'minute:' .. minute
    local counters = redis.call('HGETALL', k)
    for i = 1, #counters, 2 do
      redis.call('HINCRBY', k .. ':past', counters[i], counters[i + 1])
      total(counters[i], counters[i + 1])
    end
    redis.call('EXPIRE', k .. ':past', KEPT_SECONDS)
    redis.call('DEL', k)
    redis.call('SREM', P .. 'minute:open', minute)
  end
end
