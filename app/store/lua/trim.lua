-- Removes old finished tasks of one index, in the order of creation, examining a bounded number.
-- ARGV: index, after, limit, before_ms
-- after: seq (exclusive) · limit: number of tasks to examine · before_ms: remove tasks that finished before
-- Tasks created after before_ms can't have finished before it and are not examined.
-- Returns {number removed, seq to continue from ('' at the end)}.
local found = redis.call('ZRANGEBYSCORE', index, '(' .. after, '(' .. whole(tonumber(before_ms) * SEQ_PER_MS),
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
