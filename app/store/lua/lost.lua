-- Takes back an attempt whose lease is over: it runs again, or fails when it has cost too many workers their life.
-- ARGV: id, epoch, now ms, queue key, message, losses that are one too many, error as JSON, attempt entry as JSON,
--       who takes it back
-- Returns the status it goes to, '' where the lease was renewed or the task is gone meanwhile.
local id, epoch, now = ARGV[1], ARGV[2], ARGV[3]
local k = key(id)
local r = redis.call('HMGET', k, 'st', 'ep', 'ls', 'stop')
if r[1] ~= 'running' or r[2] ~= epoch or tonumber(r[3] or '0') > tonumber(now) then
  return ''
end
if r[4] then
  finish(id, 'stopped', now, ARGV[9], 'a stop was asked for')
  return 'stopped'
end
local lost = redis.call('HINCRBY', k, 'lost', 1)
if lost >= tonumber(ARGV[6]) then
  redis.call('HSET', k, 'er', ARGV[7])
  finish(id, 'failed', now, ARGV[9], 'the lease of its worker is over')
  return 'failed'
end
redis.call('RPUSH', k .. ':attempts', ARGV[8])
redis.call('LTRIM', k .. ':attempts', -19, -1)
redis.call('ZREM', P .. 'leases', id)
redis.call('HDEL', k, 'ls', 'w', 'sa', 'cl')
redis.call('HSET', k, 'qd', now)
move(id, 'queued', now, ARGV[9], 'the lease of its worker is over')
enqueue(id, 'queued', now, now, ARGV[4], ARGV[5])
return 'queued'
