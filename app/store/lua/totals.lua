-- Reads all counters that only grow and, at the same moment, the sizes of keys.
-- ARGV: asked
-- asked: JSON object with lists of keys: `sets` (ZSET), `lists` (LIST), `firsts` (ZSET)
-- Returns {counters, counters of requests, size of each set, length of each list, first score of each of `firsts` ('' for
-- none)}. counters: flat lists of names and values; a name may appear several times, and its values add up.
local keys_of = cjson.decode(asked)

local function each(list, look)
  local found = {}
  for i, k in ipairs(list) do found[i] = look(k) end
  return found
end

local counters = redis.call('HGETALL', P .. 'totals')
for _, minute in ipairs(redis.call('SMEMBERS', P .. 'minute:open')) do
  for _, part in ipairs(redis.call('HGETALL', P .. 'minute:' .. minute)) do counters[#counters + 1] = part end
end
return {
  counters, redis.call('HGETALL', P .. 'totals:http'),
  each(keys_of.sets, function(k) return redis.call('ZCARD', k) end),
  each(keys_of.lists, function(k) return redis.call('LLEN', k) end),
  each(keys_of.firsts, function(k) return redis.call('ZRANGE', k, 0, 0, 'WITHSCORES')[2] or '' end),
}
