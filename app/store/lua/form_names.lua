-- Copies a part of the HASH `newest` of form 1 to a ZSET, which takes its place when all names are copied.
-- ARGV: limit, after
-- after: where to begin among the names, '(' and the last name; '' for the first
-- Returns {the number of names copied, the last of them}; {0, ''} when everything is done.
local newest, copy = P .. 'newest', P .. 'form:newest'
local function is_old() return redis.call('TYPE', newest).ok == 'hash' end
local names = is_old() and redis.call('ZRANGEBYLEX', P .. 'names', after == '' and '-' or after, '+', 'LIMIT', 0, limit) or {}
if #names == 0 then
  if is_old() then redis.call('UNLINK', newest) end
  if redis.call('EXISTS', copy) == 1 then redis.call('RENAME', copy, newest) end
  return {0, ''}
end
local added = {}
for i, seq in ipairs(redis.call('HMGET', newest, unpack(names))) do
  added[2 * i - 1] = seq or redis.call('ZRANGE', P .. 'name:' .. names[i], -1, -1, 'WITHSCORES')[2]
  added[2 * i] = names[i]
end
redis.call('ZADD', copy, unpack(added))
return {#names, names[#names]}
