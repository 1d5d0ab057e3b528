-- One page of scheduled tasks, newest first.
-- ARGV: seq before which (exclusive), limit, records that may be looked at, name, name as a prefix (1 or 0), tag,
--       number of indexes, then their keys
-- Returns {cursor ('' at the end), id, record as a flat list, spec, id, …}.
local before, limit, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local name, is_prefix, tag = ARGV[4], ARGV[5] == '1', ARGV[6]

-- Six indexes at most: take the newest `budget` of each, then sort what was taken.
local entries, complete = {}, true
for i = 8, 7 + tonumber(ARGV[7]) do
  local found = redis.call('ZREVRANGEBYSCORE', ARGV[i], '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, budget)
  if #found == 2 * budget then complete = false end
  for j = 1, #found, 2 do entries[#entries + 1] = {found[j], tonumber(found[j + 1]), found[j + 1]} end
end
table.sort(entries, function(a, b) return a[2] > b[2] end)

local function has_tag(tags)
  if not tags then return false end
  for _, own in ipairs(cjson.decode(tags)) do
    if own == tag then return true end
  end
  return false
end

local page, found, last = {''}, 0, nil
for looked, entry in ipairs(entries) do
  if found == limit or looked > budget then
    page[1] = last
    return page
  end
  local k = P .. 's:' .. entry[1]
  local r = redis.call('HMGET', k, 'n', 'tg')
  local own = r[1] or ''
  if (name == '' or own == name or (is_prefix and string.sub(own, 1, #name) == name))
      and (tag == '' or has_tag(r[2])) then
    found = found + 1
    page[#page + 1] = entry[1]
    page[#page + 1] = redis.call('HGETALL', k)
    page[#page + 1] = redis.call('GET', k .. ':spec')
  end
  last = entry[3]
end
if not complete then page[1] = last end
return page
