-- Gives scheduled tasks another next firing, each only if it is still as it was seen.
-- ARGV: now_ms, zone_version, moves…
-- zone_version: the version of the time zones that all next firings follow after this, '' if some do not yet
-- moves: for each: id, revision and next firing in ms that were seen, new next firing in ms ('' for none: it ends)
-- Returns how many were changed.
local changed = 0
for i = moves, #ARGV, 4 do
  local id, next_run_ms = ARGV[i], ARGV[i + 3]
  local seen = read(schedule_key(id), 'revision', 'next_run_ms')
  if seen.revision == ARGV[i + 1] and seen.next_run_ms == ARGV[i + 2] then
    move_schedule(id, next_run_ms == '' and 'ended' or 'active', next_run_ms)
    look_at_schedule(id, now_ms)
    changed = changed + 1
  end
end
redis.call('SET', P .. 'zones', zone_version)
return changed
