-- Removes the tasks that finished first, of all given indexes together.
-- ARGV: limit, indexes…
-- indexes: of finished tasks, by the seq of their finish
-- Returns the number removed.
limit = tonumber(limit)
local entries = {}
for i = indexes, #ARGV do
  local found = redis.call('ZRANGE', ARGV[i], 0, limit - 1, 'WITHSCORES')
  for j = 1, #found, 2 do entries[#entries + 1] = {found[j], tonumber(found[j + 1])} end
end
table.sort(entries, function(a, b) return a[2] < b[2] end)
local removed = math.min(limit, #entries)
for i = 1, removed do erase(entries[i][1]) end
return removed
