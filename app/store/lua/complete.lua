-- Ends the attempt that a worker holds; what is no longer its own is left alone (fencing by the claim's epoch).
-- A stop that was asked for meanwhile wins over a retry.
-- ARGV: id, epoch, now ms, status it goes to (succeeded, failed, stopped; waiting or queued: it runs again),
--       due ms, queue key, message ('' for none), how the attempt counts ('counts', 'lost'; 'free': not at all, and the
--       task is as due as it was),
--       result ('' for none), stdout, attempt entry as JSON ('' for none), why it ends so, number of record fields, then name, value, …
-- Returns the status it has now, '' for no such task, 'lost' when the attempt was not the caller's any more.
local id, epoch, now, status = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local k = key(id)
local r = redis.call('HMGET', k, 'st', 'ep', 'stop', 'w')
if not r[1] then return '' end
if r[1] ~= 'running' or r[2] ~= epoch then return 'lost' end
local again = status == 'waiting' or status == 'queued'
local why = ARGV[12]
if again and r[3] then
  again, status, why = false, 'stopped', 'a stop was asked for'
end
local fields = tonumber(ARGV[13])
if fields > 0 then
  local record = {}
  for i = 14, 13 + 2 * fields do record[#record + 1] = ARGV[i] end
  redis.call('HSET', k, unpack(record))
end
if ARGV[9] ~= '' then redis.call('SET', k .. ':result', ARGV[9]) end
if ARGV[10] ~= '' then redis.call('SET', k .. ':stdout', ARGV[10]) end
if not again then
  finish(id, status, now, r[4], why)
  if status ~= 'stopped' then
    local duration = redis.call('HGET', k, 'dm')
    if duration then count(now, 'd' .. bucket(duration)) end
  end
  return status
end
if ARGV[11] ~= '' then
  redis.call('RPUSH', k .. ':attempts', ARGV[11])
  redis.call('LTRIM', k .. ':attempts', -19, -1)
end
local due = ARGV[5]
if ARGV[8] == 'free' then  -- as if it had never been started
  redis.call('HINCRBY', k, 'at', -1)
  redis.call('HDEL', k, 'er', 'dm', 'ot', 'cpu', 'mem')
  redis.call('DEL', k .. ':result', k .. ':stdout')
  due = redis.call('HGET', k, 'du')
end
if ARGV[8] == 'lost' then redis.call('HINCRBY', k, 'lost', 1) end
redis.call('ZREM', P .. 'leases', id)
redis.call('HDEL', k, 'ls', 'w', 'sa', 'cl')
redis.call('HSET', k, 'du', due)
if status == 'queued' then redis.call('HSET', k, 'qd', now) else redis.call('HDEL', k, 'qd') end
move(id, status, now, r[4], why)
enqueue(id, status, due, now, ARGV[6], ARGV[7])
return status
