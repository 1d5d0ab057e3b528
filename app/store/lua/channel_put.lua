-- Stores a channel, unless another caller changed it meanwhile. What shut the old one does not shut it.
-- ARGV: name, seen, text, most
-- seen: the stored text that this replaces, '' for none · most: how many channels may be stored
-- Returns 'stored', 'changed' or 'full'. A call that arrives twice stores once.
local stored = redis.call('HGET', P .. 'channels', name) or ''
if stored == text then return 'stored' end
if stored ~= seen then return 'changed' end
if stored == '' and redis.call('HLEN', P .. 'channels') >= tonumber(most) then return 'full' end
redis.call('HSET', P .. 'channels', name, text)
redis.call('DEL', P .. 'rate:channel:' .. name)
return 'stored'
