-- Executes due firings, each exactly once: only if the schedule is still as the caller saw it.
-- ARGV: asked
-- asked: one JSON object (packing thousands of small arguments takes longer than all other work):
--   now_ms · firings: total number of firings · templates: for each, the queue key, then the parts of the text, some of
--   which are placeholders (app/store/messages.py) · schedules: for each, a list with the positions SCHEDULE, whose
--   firings are lists with the positions FIRING (app/store/firings.py)
-- Returns the number of schedules whose firings were executed.
local request = cjson.decode(asked)
local now_ms, templates = request.now_ms, request.templates
local seq = take_seqs(now_ms, request.firings)
local RECORDS_KEPT = 1000  -- the newest firings of each schedule

local function places(names)
  local at = {}
  for i, name in ipairs(names) do at[name] = i end
  return at
end
local SCHEDULE, FIRING = places(request.schedule_places), places(request.firing_places)

-- The positions of the placeholders in each template, and whether each is for the delivery tag.
local placeholders = {}
for i, template in ipairs(templates) do
  placeholders[i] = {}
  for place, part in ipairs(template) do
    if part == TASK_ID or part == DELIVERY_TAG then placeholders[i][place] = part == DELIVERY_TAG end
  end
end

-- Fills the placeholders of a template. The end of the task id serves as the delivery tag (`new_tag` of
-- app/store/messages.py): it is random, and this is the first message of its task.
local function filled(number, task_id)
  local text = templates[number]
  for place, is_tag in pairs(placeholders[number]) do text[place] = is_tag and string.sub(task_id, -12) or task_id end
  return table.concat(text, '', 2)
end

-- Creates the task of a firing. `schedule` is the record of its schedule, whose body is copied and whose program is kept.
local function create_fired(schedule_id, schedule, firing)
  local due_ms, task_id, number, queue_key, message = firing[FIRING.due_ms], firing[FIRING.task_id], firing[FIRING.template], '', ''
  if number > 0 then queue_key, message = templates[number][1], filled(number, task_id) end
  local status = 'queued'
  if tonumber(due_ms) > tonumber(now_ms) then status = 'waiting' end
  local is_new = create({
    id = task_id, kind = schedule.kind, task_type = 'scheduled', status = status, due_ms = due_ms,
    queue_key = queue_key, message = message, body = '', program = '', tags = schedule.tags or '', schedule_id = schedule_id,
    folded_name = schedule.folded_name or schedule.name, record = schedule.spec,
  }, now_ms, seq)
  if is_new and not schedule.body then redis.call('COPY', schedule_key(schedule_id) .. ':spec', key(task_id) .. ':spec') end
  seq = seq + 1
end

-- Whether a firing may create its task, given the state of the schedule's last task.
local function may_start(last, overlap)
  local status = last and get(key(last), 'status')
  if not status or FINISHED[status] then return true end
  if overlap == 'skip' then return false end
  flush()  -- the last task may have been created by this script
  stop(last, now_ms, false, 'beat', 'next firing of its schedule')
  return true
end

local function record_firing(k, at_ms, outcome, task_id)
  redis.call('ZADD', k .. ':firings', at_ms, at_ms .. ':' .. outcome .. ':' .. task_id)
end

local function number(text) return tonumber(text or '0') end

local crowded = {}  -- firing lists with too many records
local counted = {}  -- what to add to the totals, by name
local created_at = {}  -- how many firings of each ms have created their task

local function note(name, number) counted[name] = (counted[name] or 0) + number end

-- Notes the created tasks with their lateness. Thousands of firings may have the same time.
local function note_created()
  for at_ms, number in pairs(created_at) do
    local late_ms = math.max(0, tonumber(now_ms) - tonumber(at_ms))
    note('firing:created', number)
    note('late:' .. bucket(late_ms), number)
    note('lateness', late_ms * number)
  end
end

-- Executes the firings of one schedule. `asked` is its part of the request, `schedule` its record.
local function take(asked, schedule)
  local id, following_ms = asked[SCHEDULE.schedule_id], asked[SCHEDULE.following_ms]
  local overlap, most = asked[SCHEDULE.overlap], tonumber(asked[SCHEDULE.max_runs])
  local missed = asked[SCHEDULE.missed]
  local k, before, skipped, first_skipped_ms = schedule_key(id), number(schedule.fired_count), 0, nil
  local fired, last = before, overlap ~= 'allow' and get(k, 'last_task_id')
  for _, at_ms in ipairs(missed) do record_firing(k, at_ms, 'missed', '') end
  for _, firing in ipairs(asked[SCHEDULE.firings]) do
    if most and fired >= most then break end
    if overlap == 'allow' or may_start(last, overlap) then
      create_fired(id, schedule, firing)
      created_at[firing[FIRING.at_ms]] = (created_at[firing[FIRING.at_ms]] or 0) + 1
      fired, last = fired + 1, firing[FIRING.task_id]
      record_firing(k, firing[FIRING.at_ms], 'created', last)
    else
      record_firing(k, firing[FIRING.at_ms], 'skipped_overlap', '')
      skipped = skipped + 1
      first_skipped_ms = first_skipped_ms or firing[FIRING.at_ms]
    end
  end
  if fired > before then
    redis.call('HSET', k, F.next_run_ms, following_ms, F.fired_count, fired, F.last_task_id, last)
  else
    redis.call('HSET', k, F.next_run_ms, following_ms)
  end
  if skipped > 0 then
    add(k, 'skipped_count', skipped)
    note('firing:skipped_overlap', skipped)
  end
  if #missed > 0 then
    add(k, 'missed_count', #missed)
    note('firing:missed', #missed)
  end
  if #missed + skipped > 0 and (schedule.alert or alert_default()) then
    local event = {'missed', id, tostring(#missed + skipped), missed[1] or first_skipped_ms, now_ms}
    redis.call('XADD', P .. 'alerts:events', '*', 'e', cjson.encode(event))
  end
  local records = fired + number(schedule.skipped_count) + skipped + number(schedule.missed_count) + #missed
  if records > RECORDS_KEPT then crowded[#crowded + 1] = k .. ':firings' end
  if following_ms == '' or (most and fired >= most) then
    move_schedule(id, 'ended', '')
  else
    gather('ZADD', P .. 'cron', following_ms, id)
  end
end

local OWN = {'kind', 'name', 'folded_name', 'tags', 'body', 'next_run_ms', 'revision', 'fired_count', 'skipped_count', 'missed_count',
             'alert'}
local wanted = columns(unpack(OWN)).shorts
for _, short in ipairs(SPEC_FIELDS) do wanted[#wanted + 1] = short end

-- The record of a schedule: the fields OWN by name, and the spec fields for its tasks as a flat list in `spec`.
local function schedule_of(id)
  local values, schedule, spec = redis.call('HMGET', schedule_key(id), unpack(wanted)), {}, {}
  for i, name in ipairs(OWN) do schedule[name] = values[i] end
  for i, short in ipairs(SPEC_FIELDS) do
    local value = values[#OWN + i]
    if value then
      spec[#spec + 1] = short
      spec[#spec + 1] = value
    end
  end
  schedule.spec = spec
  return schedule
end

local taken = 0
for _, asked in ipairs(request.schedules) do
  local schedule = schedule_of(asked[SCHEDULE.schedule_id])
  if schedule.next_run_ms == asked[SCHEDULE.seen_ms] and schedule.revision == asked[SCHEDULE.seen_revision] then
    take(asked, schedule)
    taken = taken + 1
  end
end
flush()
note_created()
for name, sum in pairs(counted) do total(name, sum) end
for _, records in ipairs(crowded) do redis.call('ZREMRANGEBYRANK', records, 0, -RECORDS_KEPT - 1) end
return taken
