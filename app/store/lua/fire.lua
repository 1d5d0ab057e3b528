-- Takes due firings, each once whoever asks: only of a schedule that still is as the caller saw it.
-- ARGV: one JSON array (to pack thousands of small arguments takes longer than all the rest): now ms, templates, number of
--       firings in all, then of each schedule: id, next firing ms and revision that were seen, following firing ms ('' when
--       none is left), overlap (allow, skip, stop_previous), firings it may have in all (max_runs, '' for any number),
--       number of missed firings, number of firings, the missed ones' ms,
--       then of each firing: its ms, due ms of its task, task id, number of its template (0 for none)
--   template: queue key, then its text in parts, some of them blanks (app/store/messages.py)
-- Returns the number of schedules whose firings were taken.
local asked = cjson.decode(ARGV[1])
local now, templates = asked[1], asked[2]
local seq, at = take_seqs(now, asked[3]), 4
local FIRING, NOTES = 4, 1000  -- arguments of a firing; firings that are kept of each schedule, the newest

-- Where a template's blanks are.
local blanks = {}
for i, template in ipairs(templates) do
  blanks[i] = {}
  for place, part in ipairs(template) do
    if part == '@task-id@' or part == '@delivery-tag@' then
      table.insert(blanks[i], place)
    end
  end
end

-- A template with its blanks filled in. A delivery tag has only to be unique: this is the first message of its task.
local function filled(number, task)
  local text = templates[number]
  for _, blank in ipairs(blanks[number]) do text[blank] = task end
  return table.concat(text, '', 2)
end

-- Creates the task of the firing at `i`; `r` is the record of its schedule, whose body it shares.
local function create_fired(schedule, r, i)
  local due, task, number, queue, message = asked[i + 1], asked[i + 2], asked[i + 3], '', ''
  if number > 0 then queue, message = templates[number][1], filled(number, task) end
  local status = 'queued'
  if tonumber(due) > tonumber(now) then status = 'waiting' end
  local is_new = create(now, seq, task, r[1], 'scheduled', status, due, queue, message, '', r[6] or '', schedule,
    'n', r[2], 'mr', r[3], 'to', r[4], 'p', r[5])
  if is_new and r[7] == 'fail' then redis.call('HSET', key(task), 'ol', 'fail') end
  seq = seq + 1
end

-- Whether a firing creates its task, by what the schedule's last one is doing.
local function may_start(last, overlap)
  local status = last and redis.call('HGET', key(last), 'st')
  if not status or FINISHED[status] then return true end
  if overlap == 'skip' then return false end
  flush()  -- it may be one of this script
  stop(last, now, false, 'beat', 'the next firing of its schedule')
  return true
end

local function note(k, at_ms, outcome, task)
  redis.call('ZADD', k .. ':firings', at_ms, at_ms .. ':' .. outcome .. ':' .. task)
end

local function number(text) return tonumber(text or '0') end

local crowded = {}  -- lists of firings with too many notes

-- Takes the firings of one schedule, whose record is `r`: `missed` ones from `at` on, then `due` ones.
local function take(id, r, following, overlap, most, missed, due)
  local k = P .. 's:' .. id
  local before, skipped = number(r[10]), 0
  local fired, last = before, overlap ~= 'allow' and redis.call('HGET', k, 'last')
  for i = at, at + missed - 1 do note(k, asked[i], 'missed', '') end
  for i = at + missed, at + missed + (due - 1) * FIRING, FIRING do
    if most and fired >= most then break end
    if overlap == 'allow' or may_start(last, overlap) then
      create_fired(id, r, i)
      fired, last = fired + 1, asked[i + 2]
      note(k, asked[i], 'created', last)
    else
      note(k, asked[i], 'skipped_overlap', '')
      skipped = skipped + 1
    end
  end
  if fired > before then
    redis.call('HSET', k, 'nx', following, 'fired', fired, 'last', last)
  else
    redis.call('HSET', k, 'nx', following)
  end
  if skipped > 0 then redis.call('HINCRBY', k, 'skipped', skipped) end
  if missed > 0 then redis.call('HINCRBY', k, 'missed', missed) end
  if fired + number(r[11]) + skipped + number(r[12]) + missed > NOTES then crowded[#crowded + 1] = k .. ':firings' end
  if following == '' or (most and fired >= most) then
    move_schedule(id, 'ended', '')
  else
    gather('ZADD', P .. 'cron', following, id)
  end
end

local taken = 0
while at < #asked do
  local id, seen, revision, following, overlap, most, missed, due = unpack(asked, at, at + 7)
  at = at + 8
  local r = redis.call('HMGET', P .. 's:' .. id, 'k', 'n', 'mr', 'to', 'p', 'tg', 'ol', 'nx', 'rv', 'fired', 'skipped',
    'missed')
  if r[8] == seen and r[9] == revision then
    take(id, r, following, overlap, tonumber(most), missed, due)
    taken = taken + 1
  end
  at = at + missed + due * FIRING
end
flush()
for _, notes in ipairs(crowded) do redis.call('ZREMRANGEBYRANK', notes, 0, -NOTES - 1) end
return taken
