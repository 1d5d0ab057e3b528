-- Whether a message may be sent to a channel now: `burst` at once, then one each `pause_ms`.
-- ARGV: name, now_ms, pause_ms, burst
-- rate:channel:NAME is the ms at which the burst is whole again. Returns the ms to wait, 0 if it may be sent.
local k = P .. 'rate:channel:' .. name
local whole_ms = math.max(tonumber(redis.call('GET', k) or '0'), tonumber(now_ms))
local wait_ms = whole_ms - tonumber(now_ms) - (tonumber(burst) - 1) * tonumber(pause_ms)
if wait_ms > 0 then return math.ceil(wait_ms) end
whole_ms = whole_ms + tonumber(pause_ms)
redis.call('SET', k, whole(whole_ms), 'PX', math.ceil(whole_ms - tonumber(now_ms)))
return 0
