-- Walks over all tasks, by name and sequence number.
-- ARGV: name, seq, last_seq, limit
-- name, seq: after which task to begin, '' and '0' for the first · last_seq: newer tasks are left out
-- limit: of the number of tasks, and of the number of names looked at
-- Returns {name, seq of the last task that was looked at, ids…}; {} when there is none left.
local names = redis.call('ZRANGEBYLEX', P .. 'names', name == '' and '-' or '[' .. name, '+', 'LIMIT', 0, limit)
local ids, last_name, last = {}, name, seq
for _, own in ipairs(names) do
  local from = own == name and seq or '0'
  local found = redis.call('ZRANGEBYSCORE', P .. 'name:' .. own, '(' .. from, last_seq, 'WITHSCORES', 'LIMIT', 0, limit - #ids)
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  last_name, last = own, found[#found] or from
  if #ids >= tonumber(limit) then break end
end
if #ids == 0 and last_name == name and last == seq then return {} end
return {last_name, last, unpack(ids)}
