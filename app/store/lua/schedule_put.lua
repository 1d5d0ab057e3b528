-- Writes a new scheduled task, or nothing where its id exists.
-- ARGV: id, now ms, kind, next firing ms, body, tags as JSON ('' for none), number of fields, then name, value, …
-- Returns 1 when it was new.
local id, now = ARGV[1], ARGV[2]
local k = P .. 's:' .. id
if redis.call('EXISTS', k) == 1 then return 0 end
local seq = next_seq(now)
local record = {'k', ARGV[3], 'st', 'active', 'q', seq, 'cr', now, 'up', now, 'nx', ARGV[4], 'runs', '0'}
for i = 8, 7 + 2 * tonumber(ARGV[7]) do record[#record + 1] = ARGV[i] end
if ARGV[6] ~= '' then
  record[#record + 1] = 'tg'
  record[#record + 1] = ARGV[6]
end
redis.call('HSET', k, unpack(record))
redis.call('SET', k .. ':spec', ARGV[5])
redis.call('ZADD', P .. 'sx:' .. ARGV[3] .. ':active', seq, id)
redis.call('ZADD', P .. 'cron', ARGV[4], id)
redis.call('PUBLISH', P .. 'beat', 'created')
return 1
