-- Stores a new key under a name that no stored key has.
-- ARGV: digest, name, scope, now_ms, expires_ms, most
-- expires_ms: '' for never · most: how many keys may be stored. Returns 'created', 'taken' or 'full'; 'created' as well to
-- a call that is sent again because its reply was lost.
if redis.call('HGET', P .. 'apikeys', digest) == name then return 'created' end
local names = redis.call('HVALS', P .. 'apikeys')
if #names >= tonumber(most) then return 'full' end
for _, taken in ipairs(names) do
  if taken == name then return 'taken' end
end
put_api_key(digest, name, scope, now_ms, expires_ms)
return 'created'
