-- Changes a waiting task that still is as the caller saw it.
-- ARGV: id, now ms, due ms and revision ('' for the first) that were seen, status it gets (waiting, queued), due ms,
--       queue key, message ('' for none), kind, task type, body, tags as JSON, number of fields, then name, value, …
-- Returns the status: 'waiting' or 'queued' when it was changed, another where that forbids it, '' for no such task,
-- 'other' where it was changed meanwhile.
local id, now, status, due = ARGV[1], ARGV[2], ARGV[5], ARGV[6]
local k = key(id)
local r = redis.call('HMGET', k, 'st', 'du', 'rv', 'k', 'tt', 'q', 'tg')
if not r[1] then return '' end
if r[1] ~= 'waiting' then return r[1] end
if r[2] ~= ARGV[3] or (r[3] or '') ~= ARGV[4] then return 'other' end
redis.call('ZREM', leaf(r[4], r[5], r[1]), id)
for _, tag in ipairs(cjson.decode(r[7] or '[]')) do redis.call('ZREM', P .. 'tag:' .. tag, id) end
if redis.call('ZSCORE', P .. 'sent', id) then note_older_message(id) end
unschedule(id)
local record = {'k', ARGV[9], 'tt', ARGV[10], 'st', status, 'du', due, 'tg', ARGV[12]}
for i = 14, 13 + 2 * tonumber(ARGV[13]) do record[#record + 1] = ARGV[i] end
if status == 'queued' then
  record[#record + 1] = 'qd'
  record[#record + 1] = now
end
redis.call('HDEL', k, 'ol')
redis.call('HSET', k, unpack(record))
redis.call('HINCRBY', k, 'rv', 1)
redis.call('SET', k .. ':spec', ARGV[11])
for _, tag in ipairs(cjson.decode(ARGV[12])) do redis.call('ZADD', P .. 'tag:' .. tag, r[6], id) end
if status ~= 'waiting' then note_change(id, 'waiting', status, now, 'api', 'it was changed to be due now') end
redis.call('ZADD', leaf(ARGV[9], ARGV[10], status), r[6], id)
enqueue(id, status, due, now, ARGV[7], ARGV[8])
return status
