-- Removes deliveries that are too old, at most `limit` of each status, or too many, at most `limit`.
-- ARGV: before_ms, most, limit
-- before_ms: remove those created before that are not pending · most: how many to keep; those that are not pending are
-- removed first
-- Returns {number removed, how many of them were pending}.
limit = tonumber(limit)
local ENDED = {'delivered', 'failed'}
local removed, lost = 0, 0
for _, status in ipairs(ENDED) do
  local before = '(' .. whole(tonumber(before_ms) * SEQ_PER_MS)
  local old = redis.call('ZRANGEBYSCORE', delivery_index(status), '-inf', before, 'LIMIT', 0, limit)
  for _, id in ipairs(old) do erase_delivery(id) end
  removed = removed + #old
end

local function oldest_ended(number)
  local entries = {}
  for _, status in ipairs(ENDED) do
    local found = redis.call('ZRANGE', delivery_index(status), 0, number - 1, 'WITHSCORES')
    for i = 1, #found, 2 do entries[#entries + 1] = {found[i], tonumber(found[i + 1])} end
  end
  table.sort(entries, function(a, b) return a[2] < b[2] end)
  return entries
end

local surplus = math.min(redis.call('ZCARD', P .. 'deliveries') - tonumber(most), limit)
if surplus > 0 then
  local ended = oldest_ended(surplus)
  for i = 1, math.min(surplus, #ended) do erase_delivery(ended[i][1]) end
  local pending = math.max(surplus - #ended, 0)
  if pending > 0 then
    for _, id in ipairs(redis.call('ZRANGE', delivery_index('pending'), 0, pending - 1)) do
      erase_delivery(id)
      lost = lost + 1
    end
  end
  removed = removed + surplus
end
return {removed, lost}
