-- Takes due firings, each once whoever asks: only of a schedule that still is as the caller saw it.
-- ARGV: one JSON array (to pack thousands of small arguments takes longer than all the rest): now ms, letters, schedules
--   letter: queue key, then its text in parts, some of them blanks (app/store/messages.py)
--   schedule: id, next firing ms and revision that were seen, following firing ms ('' when none is left), overlap (allow,
--       skip, stop_previous), firings it may have in all (max_runs, '' for any number), its missed firings' ms, firings
--   firing: its ms, due ms of its task, task id, number of its letter (0 for none), task id in base64
-- Returns the number of schedules whose firings were taken.
local now, letters, schedules = unpack(cjson.decode(ARGV[1]))
local NOTES = 1000  -- are kept of each schedule, the newest

local firings = 0
for _, schedule in ipairs(schedules) do firings = firings + #schedule[8] end
local seq = take_seqs(now, firings)

-- Where a letter's blanks are.
local blanks = {}
for i, letter in ipairs(letters) do
  blanks[i] = {}
  for place, part in ipairs(letter) do
    if part == '@task-id@' or part == '@delivery-tag@' or part == '@task-id-base64@' then
      table.insert(blanks[i], {place, part == '@task-id-base64@'})
    end
  end
end

-- A letter with its blanks filled in. A delivery tag has only to be unique: this is the first message of its task.
local function filled(number, task, task_base64)
  local text = letters[number]
  for _, blank in ipairs(blanks[number]) do
    text[blank[1]] = blank[2] and task_base64 or task
  end
  return table.concat(text, '', 2)
end

-- Whether the firing creates its task, by what the schedule's last one is doing.
local function may_start(last, overlap)
  local status = last and redis.call('HGET', key(last), 'st')
  if not status or FINISHED[status] then return true end
  if overlap == 'skip' then return false end
  flush()  -- it may be one of this script
  stop(last, now, false, 'beat', 'the next firing of its schedule')
  return true
end

-- Creates the task of a schedule's firing; `r` is the schedule's record, whose body it shares.
local function create_fired(schedule, r, firing)
  local task, number, queue, message = firing[3], firing[4], '', ''
  if number > 0 then queue, message = letters[number][1], filled(number, task, firing[5]) end
  local due, status, fields = firing[2], 'queued', {'n', r[2], 'mr', r[3], 'to', r[4], 'p', r[5]}
  if tonumber(due) > tonumber(now) then status = 'waiting' end
  if r[7] == 'fail' then fields[9], fields[10] = 'ol', 'fail' end
  create(now, seq, {
    id = task, kind = r[1], type = 'scheduled', status = status, due = due, queue = queue, message = message,
    tags = r[6] or '', schedule = schedule, fields = fields,
  })
  seq = seq + 1
end

local function note(k, at, outcome, task)
  redis.call('ZADD', k .. ':firings', at, at .. ':' .. outcome .. ':' .. task)
end

local function number(text) return tonumber(text or '0') end

local crowded = {}  -- lists of firings with too many notes

-- Takes the firings of one schedule, whose record is `r`.
local function take(id, r, following, overlap, most, missed, due)
  local k = P .. 's:' .. id
  local before, skipped = number(r[10]), 0
  local fired, last = before, overlap ~= 'allow' and redis.call('HGET', k, 'last')
  for _, at in ipairs(missed) do note(k, at, 'missed', '') end
  for _, firing in ipairs(due) do
    if most and fired >= most then break end
    if overlap == 'allow' or may_start(last, overlap) then
      create_fired(id, r, firing)
      note(k, firing[1], 'created', firing[3])
      fired, last = fired + 1, firing[3]
    else
      note(k, firing[1], 'skipped_overlap', '')
      skipped = skipped + 1
    end
  end
  if fired > before then
    redis.call('HSET', k, 'nx', following, 'fired', fired, 'last', last)
  else
    redis.call('HSET', k, 'nx', following)
  end
  if skipped > 0 then redis.call('HINCRBY', k, 'skipped', skipped) end
  if #missed > 0 then redis.call('HINCRBY', k, 'missed', #missed) end
  if fired + number(r[11]) + skipped + number(r[12]) + #missed > NOTES then crowded[#crowded + 1] = k .. ':firings' end
  if following == '' or (most and fired >= most) then
    move_schedule(id, 'ended', '')
  else
    gather('ZADD', P .. 'cron', following, id)
  end
end


local taken = 0
for _, one in ipairs(schedules) do
  local id, seen, revision = one[1], one[2], one[3]
  local r = redis.call('HMGET', P .. 's:' .. id, 'k', 'n', 'mr', 'to', 'p', 'tg', 'ol', 'nx', 'rv', 'fired', 'skipped',
    'missed')
  if r[8] == seen and r[9] == revision then
    take(id, r, one[4], one[5], tonumber(one[6]), one[7], one[8])
    taken = taken + 1
  end
end
flush()
for _, notes in ipairs(crowded) do redis.call('ZREMRANGEBYRANK', notes, 0, -NOTES - 1) end
return taken
