-- Reads a scheduled task.
-- ARGV: id
-- Returns its record as a flat list ({} for none), and its body ('' for none).
local k = P .. 's:' .. ARGV[1]
return {redis.call('HGETALL', k), redis.call('GET', k .. ':spec') or ''}
