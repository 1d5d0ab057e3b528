-- Changes a scheduled task that still is as the caller saw it.
-- ARGV: id, now ms, revision and next firing ms ('' for none) that were seen, status it gets, kind, next firing ms
--       ('' for none), body, tags as JSON, number of fields, then name, value, …
-- Returns 1; 0 where it is another meanwhile, or gone.
local id, now = ARGV[1], ARGV[2]
local k = P .. 's:' .. id
local r = redis.call('HMGET', k, 'rv', 'nx', 'k', 'st', 'q')
if r[1] ~= ARGV[3] or r[2] ~= ARGV[4] then return 0 end
redis.call('ZREM', P .. 'sx:' .. r[3] .. ':' .. r[4], id)
local record = {'k', ARGV[6], 'up', now, 'tg', ARGV[9]}
for i = 11, 10 + 2 * tonumber(ARGV[10]) do record[#record + 1] = ARGV[i] end
redis.call('HSET', k, unpack(record))
redis.call('HINCRBY', k, 'rv', 1)
redis.call('SET', k .. ':spec', ARGV[8])
move_schedule(id, ARGV[5], ARGV[7])
redis.call('PUBLISH', P .. 'beat', 'changed')
return 1
