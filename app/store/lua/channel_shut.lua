-- Lets no message to a channel pass for a while.
-- ARGV: name, whole_ms, now_ms
-- whole_ms: when the burst of rate:channel:NAME is whole again (channel_turn.lua)
redis.call('SET', P .. 'rate:channel:' .. name, whole_ms, 'PX', math.max(1, tonumber(whole_ms) - tonumber(now_ms)))
