-- Begins a bulk whose ids have been collected.
-- ARGV: bulk_id, now_ms, request_key, request_value, most_waiting, most_running, most_kept, matched, record…
-- request_key, request_value, most_waiting: as for `admit` · most_kept: older bulks that have ended are removed
-- matched: how many ids were collected · record: further fields: name, value, …
-- Returns 1. If nothing was begun: 'busy' (too many bulks are running), 'expired' (the ids are gone), or the answer of `admit`.
local k = bulk_key(bulk_id)
if redis.call('EXISTS', k) == 1 then return 1 end
if redis.call('LLEN', k .. ':ids') ~= tonumber(matched) then return 'expired' end
if redis.call('ZCARD', P .. 'bulks:running') >= tonumber(most_running) then return 'busy' end
local refused = admit(request_key, request_value, most_waiting, 0, bulk_id)
if refused then return refused end

local seq = whole(take_seqs(now_ms, 1))
redis.call('HSET', k, 'status', 'running', 'matched', matched, 'done', 0, 'failed', 0, 'created_ms', now_ms,
           unpack(ARGV, record))
redis.call('PERSIST', k .. ':ids')
redis.call('ZADD', P .. 'bulks', seq, bulk_id)
redis.call('ZADD', P .. 'bulks:running', seq, bulk_id)
if tonumber(matched) == 0 then end_bulk(bulk_id, 'completed', now_ms) end

local too_many = redis.call('ZCARD', P .. 'bulks') - tonumber(most_kept)
for _, id in ipairs(redis.call('ZRANGE', P .. 'bulks', 0, -1)) do
  if too_many <= 0 then break end
  if not redis.call('ZSCORE', P .. 'bulks:running', id) then
    redis.call('DEL', bulk_key(id))
    redis.call('ZREM', P .. 'bulks', id)
    too_many = too_many - 1
  end
end
redis.call('PUBLISH', P .. 'beat', 'bulk')
return 1
