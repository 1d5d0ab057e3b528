-- Adds ids to those that a new bulk will act on. They arrive newest first, and are kept oldest first.
-- ARGV: bulk_id, length, ids…
-- length: how many there are already; a call that arrives twice adds nothing the second time
-- Until the bulk begins they expire after ten minutes, since the process that collects them may die.
-- Returns how many there are now.
local k = bulk_key(bulk_id) .. ':ids'
if redis.call('LLEN', k) == tonumber(length) then redis.call('LPUSH', k, unpack(ARGV, ids)) end
redis.call('EXPIRE', k, 600)
return redis.call('LLEN', k)
