-- Removes every key with this name: the current one, and those it has replaced that have not expired.
-- ARGV: name, call
-- call: identifies this call; a call that is sent again because its reply was lost gets the same answer
-- Returns how many there were.
local earlier = answer_of(call)
if earlier then return tonumber(earlier) end
local all, removed = redis.call('HGETALL', P .. 'apikeys'), 0
for i = 1, #all, 2 do
  if all[i + 1] == name then
    remove_api_key(all[i])
    removed = removed + 1
  end
end
if removed > 0 then remember_answer(call, removed) end
return removed
