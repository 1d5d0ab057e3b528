-- Looks a key up, marks it as used, and takes one call from the quota of the caller.
-- ARGV: now_ms, digest, known_name, action, address, quota_calls, quota_ms
-- digest: SHA-256 of the key that was sent, '' for none · known_name: the name of this key where the caller of this
-- script knows it from API_KEYS, else '' · quota_calls: calls per quota_ms, '' for any number.
-- Returns {name, scope, is_admitted (1 or 0), calls left, ms until all are available again, ms until the next one is}.
-- name is '' where the key is unknown or has expired, scope is '' where the key is not a stored one.
--
-- A caller with a valid key has the quota of its key; all others have that of their address, so that callers without a
-- key never use up the quota of those who have one.
--
-- The bucket is one number, the ms at which it is full again ("tat" in the generic cell rate algorithm); the key expires
-- at that moment. Writes are made by `pcall`: where Redis refuses writes (its memory is full, it is a replica), callers
-- may still read, uncounted.
local USED_EVERY_MS = 60000
local KNOWN_KEPT_SECONDS = 34560000  -- 400 days

local name, scope = known_name, ''
if digest ~= '' then
  local k = api_key(digest)
  local found = redis.call('HMGET', k, 'name', 'scope', 'expires_ms', 'used_ms')
  local is_valid = found[1] and (found[3] == '' or tonumber(now_ms) < tonumber(found[3]))
  if name == '' and is_valid then name, scope = found[1], found[2] end
  local used_ms = tonumber(found[4] or '0')
  if name ~= '' and math.abs(tonumber(now_ms) - used_ms) >= USED_EVERY_MS then
    redis.pcall('HSET', k, 'used_ms', now_ms)
    if not found[1] then redis.pcall('EXPIRE', k, KNOWN_KEPT_SECONDS) end
  end
end

if quota_calls == '' then return {name, scope, 1, 0, 0, 0} end

local now, span, cost = tonumber(now_ms), tonumber(quota_ms), tonumber(quota_ms) / tonumber(quota_calls)
local level = P .. 'rate:' .. action .. (name ~= '' and ':key:' .. name or ':address:' .. address)
local stored = tonumber(redis.call('GET', level) or '0')
local full_ms = math.max(stored, now)
if stored > now + span then full_ms = now + span end  -- the clock was set back: no wait is longer than a span
local wait_ms = full_ms + cost - (now + span)
local is_admitted = wait_ms <= 0.001  -- less is the rounding of the number that is stored
if is_admitted then full_ms = full_ms + cost end
if is_admitted or full_ms < stored then
  redis.pcall('SET', level, string.format('%.4f', full_ms), 'PX', math.max(1, math.ceil(full_ms - now)))
end
local left = math.floor((now + span - full_ms + 0.001) / cost)
return {name, scope, is_admitted and 1 or 0, left, math.ceil(full_ms - now), math.max(0, math.ceil(wait_ms))}
