-- Gives scheduled tasks another next firing, each only if it is still as it was seen, and never a firing that was taken.
-- ARGV: now_ms, zone_version, moves…
-- zone_version: the version of the time zones that all next firings follow after this, '' if some do not yet
-- moves: for each: id, revision and next firing in ms that were seen, new next firing in ms ('' for none: it ends)
-- Returns how many were changed.
local changed = 0

-- Whether a time is not after the newest firing: the clock of the host that took it may be ahead of the caller's.
local function is_taken(id, at_ms)
  local newest = redis.call('ZRANGE', schedule_key(id) .. ':firings', -1, -1, 'WITHSCORES')
  return newest[2] and tonumber(at_ms) <= tonumber(newest[2])
end

for i = moves, #ARGV, 4 do
  local id, next_run_ms = ARGV[i], ARGV[i + 3]
  local seen = read(schedule_key(id), 'revision', 'next_run_ms')
  local is_as_seen = seen.revision == ARGV[i + 1] and seen.next_run_ms == ARGV[i + 2]
  if is_as_seen and (next_run_ms == '' or not is_taken(id, next_run_ms)) then
    move_schedule(id, next_run_ms == '' and 'ended' or 'active', next_run_ms)
    look_at_schedule(id, now_ms)
    changed = changed + 1
  end
end
redis.call('SET', P .. 'zones', zone_version)
return changed
