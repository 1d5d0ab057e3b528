-- Removes the tasks that finished first, of all given indexes together, if there are too many.
-- ARGV: most, limit, indexes…
-- most: how many to keep · limit: remove at most so many · indexes: of finished tasks, by the seq of their finish
-- Returns the number removed.
local number = 0
for i = indexes, #ARGV do number = number + redis.call('ZCARD', ARGV[i]) end
limit = math.min(number - tonumber(most), tonumber(limit))
if limit <= 0 then return 0 end
local entries = {}
for i = indexes, #ARGV do
  local found = redis.call('ZRANGE', ARGV[i], 0, limit - 1, 'WITHSCORES')
  for j = 1, #found, 2 do entries[#entries + 1] = {found[j], tonumber(found[j + 1])} end
end
table.sort(entries, function(a, b) return a[2] < b[2] end)
local removed = math.min(limit, #entries)
for i = 1, removed do erase(entries[i][1]) end
return removed
