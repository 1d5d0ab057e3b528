-- Renews the leases of the attempts that a worker runs.
-- ARGV: lease until ms, number, then of each: id, epoch
-- Returns, of each, 1 where it is still the worker's and nobody asked to stop it, else 0.
local held = {}
for i = 3, 2 + 2 * tonumber(ARGV[2]), 2 do
  local k = key(ARGV[i])
  local r = redis.call('HMGET', k, 'st', 'ep', 'stop')
  if r[1] == 'running' and r[2] == ARGV[i + 1] then
    redis.call('ZADD', P .. 'leases', ARGV[1], ARGV[i])
    redis.call('HSET', k, 'ls', ARGV[1])
    held[#held + 1] = r[3] and 0 or 1
  else
    held[#held + 1] = 0
  end
end
return held
