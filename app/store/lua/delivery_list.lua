-- Returns one page of deliveries, newest first.
-- ARGV: before, limit, budget, checks, indexes…
-- before: seq (exclusive) · budget: maximum number of records to examine · checks: JSON array of name, value, …
-- indexes: each holds every match; the smallest is read
-- Returns {cursor ('' at the end), id, record as a flat list, …}.
limit, budget = tonumber(limit), tonumber(budget)
local index, size
for i = indexes, #ARGV do
  local members = redis.call('ZCARD', ARGV[i])
  if not size or members < size then index, size = ARGV[i], members end
end

local wanted, values = {}, {}
for i, part in ipairs(cjson.decode(checks)) do
  if i % 2 == 1 then wanted[#wanted + 1] = part else values[#values + 1] = part end
end

local function matches(k)
  if #wanted == 0 then return true end
  local own = redis.call('HMGET', k, unpack(wanted))
  for i, value in ipairs(values) do
    if own[i] ~= value then return false end
  end
  return true
end

local entries = redis.call('ZREVRANGEBYSCORE', index, '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, budget)
local page, found = {''}, 0
for i = 1, #entries, 2 do
  local k = delivery_key(entries[i])
  if matches(k) then
    page[#page + 1] = entries[i]
    page[#page + 1] = redis.call('HGETALL', k)
    found = found + 1
    if found == limit then
      if i + 1 < #entries or #entries == 2 * budget then page[1] = entries[i + 1] end
      return page
    end
  end
end
if #entries == 2 * budget then page[1] = entries[#entries] end
return page
