-- Starts an attempt, if the task still waits for one: queued -> running, or waiting -> running when it is due.
-- ARGV: id, now ms, lease until ms, worker, kinds of task that it runs (between commas),
--       this call: a call that is sent again, since its connection was lost before the answer, gets the same answer
-- Returns {status} where there is nothing to start ('' for no such task, 'early' when it is not due yet,
-- 'elsewhere' when another worker is to run it: its kind was changed after this message was sent),
-- else {'running', attempt, epoch, kind, spec, name, max_retries, timeout, lost, priority}. The epoch counts claims: an
-- attempt that does not count gives its number back, and no two claims may ever look the same (fencing).
local id, now = ARGV[1], ARGV[2]
local k = key(id)
local r = redis.call('HMGET', k, 'st', 'du', 'k', 'n', 'mr', 'to', 'lost', 'p', 'cl')
local status = r[1]
if not status then return {''} end
if not string.find(ARGV[5], ',' .. r[3] .. ',', 1, true) then return {'elsewhere'} end

local function granted(attempt, epoch)
  return {'running', attempt, epoch, r[3], redis.call('GET', k .. ':spec'), r[4], r[5], r[6], r[7] or '0', r[8]}
end

if status == 'running' and r[9] == ARGV[6] then return granted(unpack(redis.call('HMGET', k, 'at', 'ep'))) end
if status == 'waiting' then
  if tonumber(r[2]) > tonumber(now) then
    -- Our clocks differ, or it was put off meanwhile. It is sent again when its time has come.
    note_older_message(id)
    if redis.call('ZREM', P .. 'sent', id) == 1 then redis.call('ZADD', P .. 'due', r[2], id) end
    return {'early'}
  end
  redis.call('HSET', k, 'qd', r[2])
elseif status ~= 'queued' then
  return {status}
end
unschedule(id)
redis.call('ZADD', P .. 'leases', ARGV[3], id)
local attempt = redis.call('HINCRBY', k, 'at', 1)
move(id, 'running', now, ARGV[4], 'attempt ' .. attempt .. ' starts')
local epoch = redis.call('HINCRBY', k, 'ep', 1)
redis.call('HSET', k, 'sa', now, 'w', ARGV[4], 'ls', ARGV[3], 'cl', ARGV[6])
redis.call('HDEL', k, 'fi', 'dm', 'er', 'ot', 'cpu', 'mem')
redis.call('DEL', k .. ':result', k .. ':stdout')
count(now, 'w' .. bucket(tonumber(now) - tonumber(r[2])))
return granted(attempt, epoch)
