-- Takes due firings, each once whoever asks: only of a schedule that still is as the caller saw it.
-- ARGV: one JSON array of strings: now ms, number of schedules, then of each: id, next firing ms and revision that were seen,
--       following firing ms ('' when none is left), overlap (allow, skip, stop_previous), firings it may have in all
--       (max_runs, '' for any number), number of missed firings, number of firings, the missed ones' ms,
--       then of each firing: its ms, and the task that it creates, as `create` of _lib.lua reads it
-- Returns the number of schedules whose firings were taken.
for place, argument in ipairs(cjson.decode(ARGV[1])) do ARGV[place] = argument end
local now, at, taken = ARGV[1], 3, 0

local function after_task(place) return place + 11 + 2 * tonumber(ARGV[place + 10]) end

-- Whether the firing creates its task, by what the schedule's last one is doing.
local function may_start(k, overlap)
  if overlap == 'allow' then return true end
  local last = redis.call('HGET', k, 'last')
  local status = last and redis.call('HGET', key(last), 'st')
  if not status or FINISHED[status] then return true end
  if overlap == 'skip' then return false end
  stop(last, now, false, 'beat', 'the next firing of its schedule')
  return true
end

for _ = 1, tonumber(ARGV[2]) do
  local id, seen, revision, following = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local overlap, most = ARGV[at + 4], tonumber(ARGV[at + 5])
  local missed, firings = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
  local k = P .. 's:' .. id
  local r = redis.call('HMGET', k, 'nx', 'rv', 'fired')
  local own = r[1] == seen and r[2] == revision
  local fired = tonumber(r[3] or '0')
  at = at + 8
  for i = at, at + missed - 1 do
    if own then note_firing(id, ARGV[i], 'missed', '') end
  end
  at = at + missed
  if own and missed > 0 then redis.call('HINCRBY', k, 'missed', missed) end
  for _ = 1, firings do
    if not own or (most and fired >= most) then
      at = after_task(at + 1)
    elseif may_start(k, overlap) then
      local moment, task = ARGV[at], ARGV[at + 1]
      at = create(now, at + 1)
      note_firing(id, moment, 'created', task)
      redis.call('HINCRBY', k, 'runs', 1)
      fired = fired + 1
      redis.call('HSET', k, 'fired', fired, 'last', task)
    else
      note_firing(id, ARGV[at], 'skipped_overlap', '')
      redis.call('HINCRBY', k, 'skipped', 1)
      at = after_task(at + 1)
    end
  end
  if own then
    taken = taken + 1
    if most and fired >= most then following = '' end
    if following == '' then
      move_schedule(id, 'ended', '')
    else
      redis.call('HSET', k, 'nx', following)
      redis.call('ZADD', P .. 'cron', following, id)
    end
  end
end
return taken
