-- Removes every key with this name: the current one, and those it has replaced that have not expired.
-- ARGV: name
-- Returns how many there were.
local all, removed = redis.call('HGETALL', P .. 'apikeys'), 0
for i = 1, #all, 2 do
  if all[i + 1] == name then
    remove_api_key(all[i])
    removed = removed + 1
  end
end
return removed
