-- Stores a new key under the name of another, with its scope; the other expires when the overlap is over.
-- ARGV: digest, name, now_ms, lifetime_ms, overlap_ms, most, call
-- lifetime_ms: of the new key; '' for as long as the replaced one's · most: how many keys may be stored · call: identifies
-- this call; one that is sent again because its reply was lost gets the same answer, and does not replace the key it stored
-- Returns {'rotated', scope, expires_ms ('' for never), ms at which the replaced one ends}, {'unknown'} or {'full'}.
local earlier = answer_of(call)
if earlier then return cjson.decode(earlier) end
local all, current = redis.call('HGETALL', P .. 'apikeys'), nil
local stored, now = #all / 2, tonumber(now_ms)
for i = 1, #all, 2 do
  if all[i + 1] == name then
    local found = redis.call('HMGET', api_key(all[i]), 'scope', 'created_ms', 'expires_ms', 'replaced_ms')
    if not found[4] then
      current = {digest = all[i], scope = found[1], created_ms = found[2], expires_ms = found[3]}
    elseif tonumber(found[3]) <= now then  -- replaced earlier, and over
      remove_api_key(all[i])
      stored = stored - 1
    end
  end
end
if not current then return {'unknown'} end
if stored >= tonumber(most) then return {'full'} end

local lifetime, old_end = tonumber(lifetime_ms), tonumber(current.expires_ms)
if not lifetime and old_end then lifetime = old_end - tonumber(current.created_ms) end
local expires_ms = lifetime and whole(now + lifetime) or ''
put_api_key(digest, name, current.scope, now_ms, expires_ms)
local over = whole(math.min(old_end or math.huge, now + tonumber(overlap_ms)))
if overlap_ms == '0' then
  remove_api_key(current.digest)
else
  redis.call('HSET', api_key(current.digest), 'expires_ms', over, 'replaced_ms', now_ms)
end
local answer = {'rotated', current.scope, expires_ms, over}
remember_answer(call, cjson.encode(answer))
return answer
