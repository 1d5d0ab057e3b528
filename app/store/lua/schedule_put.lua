-- Writes a new scheduled task.
-- ARGV: id, now ms, kind, next firing ms, key ('' for none), body, tags as JSON ('' for none),
--       number of fields, then name, value, …
-- Returns the id: another one where the key is taken.
local id, now, name = ARGV[1], ARGV[2], ARGV[5]
local k = P .. 's:' .. id
if name ~= '' then
  local taken = redis.call('GET', P .. 'keyed:' .. name)
  if taken then return taken end
  redis.call('SET', P .. 'keyed:' .. name, id)
end
if redis.call('EXISTS', k) == 1 then return id end
local seq = next_seq(now)
local record = {'k', ARGV[3], 'st', 'active', 'q', seq, 'cr', now, 'up', now, 'nx', ARGV[4], 'runs', '0', 'rv', '1'}
for i = 9, 8 + 2 * tonumber(ARGV[8]) do record[#record + 1] = ARGV[i] end
if ARGV[7] ~= '' then
  record[#record + 1] = 'tg'
  record[#record + 1] = ARGV[7]
end
if name ~= '' then
  record[#record + 1] = 'key'
  record[#record + 1] = name
end
redis.call('HSET', k, unpack(record))
redis.call('SET', k .. ':spec', ARGV[6])
redis.call('ZADD', P .. 'sx:' .. ARGV[3] .. ':active', seq, id)
redis.call('ZADD', P .. 'cron', ARGV[4], id)
redis.call('PUBLISH', P .. 'beat', 'created')
return id
