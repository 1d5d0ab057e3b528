-- Removes finished tasks of one index whose time is over, oldest created first, a bounded number of them.
-- ARGV: index key, seq after which (exclusive), how many to look at, finished before ms
-- What was created later can't have finished before: nobody looks at it.
-- Returns {number removed, seq to go on from ('' at the end)}.
local found = redis.call('ZRANGEBYSCORE', ARGV[1], '(' .. ARGV[2], '(' .. whole(tonumber(ARGV[4]) * 2048),
                         'WITHSCORES', 'LIMIT', 0, ARGV[3])
local removed = 0
for i = 1, #found, 2 do
  local finished = redis.call('HGET', key(found[i]), 'fi')
  if finished and tonumber(finished) < tonumber(ARGV[4]) then
    erase(found[i])
    removed = removed + 1
  end
end
if #found < 2 * tonumber(ARGV[3]) then return {removed, ''} end
return {removed, found[#found]}
