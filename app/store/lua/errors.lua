-- Failures grouped by fingerprint, the last failure first.
-- ARGV: since_ms, limit
-- since_ms: '-inf' for all
-- Returns, without scheduled tasks that were deleted, {fingerprint, group as a flat list, ids of its newest tasks, ids of their scheduled tasks, fingerprint, …}.
local function schedules_of(fingerprint)
  local kept = {}
  for _, id in ipairs(redis.call('ZREVRANGE', P .. 'error:' .. fingerprint .. ':by', 0, 4)) do
    if redis.call('EXISTS', schedule_key(id)) == 1 then kept[#kept + 1] = id end
  end
  return kept
end

local found = redis.call('ZREVRANGEBYSCORE', P .. 'errors', '+inf', since_ms, 'LIMIT', 0, limit)
local groups = {}
for _, fingerprint in ipairs(found) do
  local group = redis.call('HGETALL', P .. 'error:' .. fingerprint)
  if #group > 0 then  -- else it has expired
    groups[#groups + 1] = fingerprint
    groups[#groups + 1] = group
    groups[#groups + 1] = redis.call('ZREVRANGE', P .. 'fp:' .. fingerprint, 0, 4)
    groups[#groups + 1] = schedules_of(fingerprint)
  end
end
return groups
