-- Removes finished tasks of one index whose time is over, oldest created first, a bounded number of them.
-- ARGV: index, after, limit, before_ms
-- after: seq (exclusive) · limit: how many to look at · before_ms: finished before
-- What was created later can't have finished before: nobody looks at it.
-- Returns {number removed, seq to go on from ('' at the end)}.
local found = redis.call('ZRANGEBYSCORE', index, '(' .. after, '(' .. whole(tonumber(before_ms) * 2048),
                         'WITHSCORES', 'LIMIT', 0, limit)
local removed = 0
for i = 1, #found, 2 do
  local finished_ms = get(key(found[i]), 'finished_ms')
  if finished_ms and tonumber(finished_ms) < tonumber(before_ms) then
    erase(found[i])
    removed = removed + 1
  end
end
if #found < 2 * tonumber(limit) then return {removed, ''} end
return {removed, found[#found]}
