-- Writes a new scheduled task.
-- ARGV: id, now ms, kind, next firing ms, key ('' for none), body, tags as JSON ('' for none),
--       the conditions (3) as `admit` of _lib.lua reads them, number of fields, then name, value, …
-- Returns the id: another one where the key is taken; or what `admit` says where nothing was created.
local id, now, name = ARGV[1], ARGV[2], ARGV[5]
local k = P .. 's:' .. id
local taken = name ~= '' and redis.call('GET', P .. 'keyed:' .. name)
if taken then return taken end
local refused = admit(8, 0, id)
if refused then return refused end
if name ~= '' then redis.call('SET', P .. 'keyed:' .. name, id) end
if redis.call('EXISTS', k) == 1 then return id end
local seq = whole(take_seqs(now, 1))
local record = {'k', ARGV[3], 'st', 'active', 'q', seq, 'cr', now, 'up', now, 'nx', ARGV[4], 'rv', '1'}
for i = 12, 11 + 2 * tonumber(ARGV[11]) do record[#record + 1] = ARGV[i] end
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
