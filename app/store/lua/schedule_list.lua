-- Returns one page of scheduled tasks, newest first.
-- ARGV: before, limit, budget, name, match, tag, last_outcome, indexes…
-- before: seq (exclusive) · budget: maximum number of records to examine
-- name, match, tag, last_outcome: see `is_schedule_listed`
-- Returns {cursor ('' at the end), id, record as a flat list, id, …}.
limit, budget = tonumber(limit), tonumber(budget)

-- There are at most six indexes: take the newest `budget` entries of each, then sort them.
local entries, complete = {}, true
for i = indexes, #ARGV do
  local found = redis.call('ZREVRANGEBYSCORE', ARGV[i], '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, budget)
  if #found == 2 * budget then complete = false end
  for j = 1, #found, 2 do entries[#entries + 1] = {found[j], tonumber(found[j + 1]), found[j + 1]} end
end
table.sort(entries, function(a, b) return a[2] > b[2] end)

local page, found, last = {''}, 0, nil
for looked, entry in ipairs(entries) do
  if found == limit or looked > budget then
    page[1] = last
    return page
  end
  local k = schedule_key(entry[1])
  local schedule = read(k, 'name', 'folded_name', 'tags', 'last_outcome')
  if is_schedule_listed(schedule, name, match, tag, last_outcome) then
    found = found + 1
    page[#page + 1] = entry[1]
    page[#page + 1] = redis.call('HGETALL', k)
  end
  last = entry[3]
end
if not complete then page[1] = last end
return page
