-- The library of all scripts: the store prepends it to each script, with $PREFIX filled in. It depends on what
-- app/store/scripts.py gives it:
--   F            the short names of record fields: F.status is 'st' (app/store/columns.py)
--   SPEC_FIELDS  the short names of the fields that specs declare, of those derived from them, and of the body
--   FORM, KINDS, TASK_TYPES, DEFAULT_PRIORITY, PRIORITIES, PRIORITY_SEPARATOR, SEQ_PER_MS
--   HISTORY_LENGTH, ATTEMPTS_KEPT, TRIES_KEPT  how many changes, attempts and tries a record has at most
--   TASK_ID, DELIVERY_TAG  the placeholders of message templates
--   EXECUTE  what our messages have a worker do
--   TASK_VALUES  the names in the line "TASK" below
--
-- TASK: id, kind, task_type, status, due_ms, queue_key, message, body, program, tags, schedule_id, folded_name, record
--   message: '' for none · body: what is kept beside the record, '' for none · tags: JSON, '' for none
--   program: its source if the record has a program_hash; '' if that program is sure to be kept already
--   schedule_id: '' for none · record: all other fields as a JSON array: short name, value, …
--
-- Keys (listed with their types in app/store/keys.py):
--   form STRING the form of the data · form:work HASH progress of a change of the form · form:lease STRING, expires: who works on it
--   form:newest ZSET what becomes of the HASH `newest` of form 1
--   t:ID HASH record · t:ID:spec STRING · t:ID:result STRING · t:ID:stdout STRING · t:ID:attempts LIST
--   t:ID:history LIST · program:HASH HASH text, and uses: how many t:ID and s:ID have this program_hash
--   ix:KIND:TYPE:STATUS ZSET id by seq: each task in exactly one · tag:TAG ZSET · by:SCHEDULE ZSET
--   fx:KIND:TYPE:STATUS ZSET id by the seq of its finish: each finished task in exactly one
--   name:FOLDED ZSET id by seq: the tasks of that name · names ZSET of all these names, by their bytes
--   newest ZSET name by the seq of the newest task that ever had it
--   et:TYPE ZSET id by seq: failed tasks by the type of their error · fp:FINGERPRINT ZSET id by seq: the same by fingerprint
--   errors ZSET fingerprint by ms of the last failure · error:FINGERPRINT HASH count, type, message, kind, first_ms, last_ms
--   error:FINGERPRINT:by ZSET the last five schedule ids by ms
--   due ZSET id by due ms, message not sent · sent ZSET id by due ms, message sent as a countdown
--   queued:KIND:PRIORITY ZSET id by ms when its message was sent, for each list of messages · leases ZSET id by ms of expiry
--   s:ID HASH scheduled task · s:ID:spec STRING · s:ID:firings ZSET "at:outcome:task" by ms · cron ZSET id by next firing
--   sx:KIND:STATUS ZSET schedule id by seq: each scheduled task in exactly one · keyed:KEY STRING schedule id
--   minute:N HASH counters of that minute that are not among the totals yet · minute:open SET the minutes that have any
--   minute:N:past HASH, expires: those that are among them · totals HASH counters that only grow, for GET /metrics
--   totals:http HASH those of requests · totals:added:PROCESS STRING, expires: number of its last call that added to them
--   totals:tags STRING names in METRICS_TAGS, each surrounded by commas; ',' for none · totals:values:NAME SET values counted of a tag
--   seq STRING last sequence number
--   expiring ZSET id by ms at which a task expires that has not started
--   idem:NAME STRING "fingerprint id ms", or "fingerprint id ms refused" (app/usecases/batches.py): the first request
--   with an idempotency key, kept for a day
--   apikeys HASH name by digest: every stored key · apikey:DIGEST HASH a stored key, or when one of API_KEYS was last used
--   rate:ACTION:key:NAME, rate:ACTION:address:ADDRESS STRING ms at which this caller's quota is whole again
--   rate:channel:NAME STRING ms at which a channel may get its whole burst of messages again
--   audit STREAM changes made by callers, the newest 10,000
--   alerts:events STREAM what alert rules may want told · alerts:default STRING JSON rule of schedules that have none; '' for none
--   alerts:default_since STRING ms at which it was set
--   alerts:schedules, alerts:flows, alerts:service HASH -> JSON states · alerts:revision STRING number of rounds and defaults
--   alerts:called STRING, expires: HEARTBEAT_URL was called · alerts:lease STRING, expires: which process does the rounds
--   alerts:due ZSET s:SCHEDULE, c:CHANNEL by ms of the next look · alerts:late ZSET task id by ms at which it is late
--   channels HASH name -> JSON: the channels that callers created
--   batch:ID HASH batch whose tasks are being created · batch:ID:N STRING the values of the tasks of its chunk N
--   batches ZSET batch id by ms: those that are to be completed · promised STRING how many tasks they still lack
--   call:NAME STRING the answer to a call that must not be carried out twice, kept for a minute
--   bulk:ID HASH record of a bulk, its fields by their whole names · bulk:ID:ids LIST ids it has yet to act on, oldest first
--   bulks ZSET bulk id by seq: the newest 100 · bulks:running ZSET bulk id by seq: those that have not ended
--   bulks:lease STRING, expires: which process works on them
--   d:ID HASH delivery, its fields by their whole names · d:ID:tries LIST its last tries
--   d:ID:task HASH, d:ID:result, d:ID:stdout STRING what a pending delivery needs of its task, which was removed
--   deliveries, deliveries:STATUS, deliveries:task:ID, deliveries:schedule:ID, deliveries:channel:NAME ZSET delivery id by seq
--   deliveries:due ZSET delivery id by ms of its next try · deliveries:due:notices ZSET those of them that go to a channel
--   deliveries:leases ZSET delivery id by ms at which its try is lost
--   events STREAM of status changes while an event stream is open · events:since STRING ms since when it is complete
local P = '$PREFIX'

local function key(id) return P .. 't:' .. id end
local function schedule_key(id) return P .. 's:' .. id end

local function task_index(kind, task_type, status)
  return P .. 'ix:' .. kind .. ':' .. task_type .. ':' .. status
end

local function finished_index(kind, task_type, status)
  return P .. 'fx:' .. kind .. ':' .. task_type .. ':' .. status
end

local function schedule_index(kind, status) return P .. 'sx:' .. kind .. ':' .. status end

-- The names and short names of some fields, for `row`.
local function columns(...)
  local names, shorts = {...}, {}
  for i, name in ipairs(names) do shorts[i] = F[name] end
  return {names = names, shorts = shorts}
end

-- These fields of a record by name; false for each unset field.
local function row(k, chosen)
  local values, named = redis.call('HMGET', k, unpack(chosen.shorts)), {}
  for i, name in ipairs(chosen.names) do named[name] = values[i] end
  return named
end

local function read(k, ...) return row(k, columns(...)) end

-- Read one field; write several by name; remove several; increment one.
local function get(k, name) return redis.call('HGET', k, F[name]) end
local function set(k, values)
  local flat = {}
  for name, value in pairs(values) do
    flat[#flat + 1] = F[name]
    flat[#flat + 1] = value
  end
  redis.call('HSET', k, unpack(flat))
end
local function unset(k, ...) redis.call('HDEL', k, unpack(columns(...).shorts)) end
local function add(k, name, number) return redis.call('HINCRBY', k, F[name], number) end

-- Formats a number without an exponent: Lua 5.1 writes large numbers as 1.8e+15.
local function whole(number) return string.format('%.0f', number) end

-- Reserves `number` sequence numbers and returns the first. They are unique and ascending, SEQ_PER_MS for each
-- millisecond, and exact in a double until 2109. They are the scores in every index, so that no two tasks of one
-- millisecond share a cursor position.
local function take_seqs(now_ms, number)
  local last = tonumber(redis.call('GET', P .. 'seq'))
  if not last then  -- the first record: from now on the data has a form, even if Redis was emptied under a live process
    redis.call('SET', P .. 'form', FORM, 'NX')
    last = 0
  end
  local first = math.max(last + 1, tonumber(now_ms) * SEQ_PER_MS)
  redis.call('SET', P .. 'seq', whole(first + number - 1))
  return first
end

-- Buffers writes of many tasks of one script to the same key. `flush` writes them in few commands.
local gathered = {}

-- Defers a redis.call: ZADD (score, member), HSET (field, value) or LPUSH (value).
local function gather(command, k, first, second)
  local list = gathered[k]
  if not list then
    list = {command, k}
    gathered[k] = list
  end
  local n = #list
  list[n + 1] = first
  list[n + 2] = second
end

local ARGUMENTS = 1000  -- per command; Lua's stack holds 8,000, and an even number keeps pairs together

-- Executes the buffered writes, which can't be read before. Every script that creates tasks ends with it.
local function flush()
  for k, list in pairs(gathered) do
    for first = 3, #list, ARGUMENTS do
      redis.call(list[1], k, unpack(list, first, math.min(first + ARGUMENTS - 1, #list)))
    end
  end
  gathered = {}
end

local EVENTS_KEPT = 10000  -- status changes in the stream `events`, from which event streams resume
local EVENTS_SECONDS = 120  -- how long changes are still added after the last sign of an open event stream

-- Whether changes are added to `events`. Looked up once per script.
local are_events_kept
local function keeps_events()
  if are_events_kept == nil then are_events_kept = redis.call('EXISTS', P .. 'events:since') == 1 end
  return are_events_kept
end

-- Tells open event streams of a change of status, in the format of app/store/events.py. `from`: '' for a creation.
local function announce(id, from, to, now_ms, actor, reason)
  if not keeps_events() then return end
  local event = read(key(id), 'kind', 'task_type', 'name', 'tags', 'scheduled_task_id')
  event.task_id, event.at_ms, event.before, event.after, event.who, event.why = id, now_ms, from, to, actor, reason
  local text = cjson.encode(event)
  local event_id = redis.call('XADD', P .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'event', text)
  redis.call('EXPIRE', P .. 'events', EVENTS_SECONDS)
  redis.call('PUBLISH', P .. 'events', event_id .. ' ' .. text)
end

-- Tells those who watch of a change of status. The end of a task has its own channel (`notify`).
local function tell_change(id, from, to, now_ms, actor, reason)
  if to == 'running' or to == 'queued' or to == 'waiting' then redis.call('PUBLISH', P .. 'changed:' .. id, to) end
  announce(id, from, to, now_ms, actor, reason)
end

-- Adds a change of status to the list of a task, in the format of app/store/record.py, and keeps the newest.
local function write_change(id, from, to, at_ms, actor, reason)
  local k = key(id) .. ':history'
  local length = redis.call('RPUSH', k, table.concat({at_ms, from, to, actor, reason}, '\t'))
  if length > HISTORY_LENGTH then redis.call('LTRIM', k, -HISTORY_LENGTH, -1) end
end

-- Adds the start of the attempt that now ends in a way that the record does not tell, unless the list has it.
local function write_start(id)
  local last = redis.call('LINDEX', key(id) .. ':history', -1)
  local before = last and string.match(last, '^[^\t]*\t[^\t]*\t([^\t]*)') or 'queued'
  if before == 'running' then return end
  local task = read(key(id), 'started_ms', 'worker', 'attempt')
  write_change(id, before, 'running', task.started_ms, task.worker, 'attempt ' .. task.attempt .. ' starts')
end

-- Records a change of status. Nothing is written of what the record tells by itself, so most tasks have no list: their
-- creation, that a worker has started what was queued, and that it has ended that attempt for good (`read_history` of
-- app/store/record.py adds those). `is_told`: whether this is one of them.
local function record_change(id, from, to, now_ms, actor, reason, is_told)
  if not is_told then
    if from == 'running' then write_start(id) end
    write_change(id, from, to, now_ms, actor, reason)
  end
  tell_change(id, from, to, now_ms, actor, reason)
end

-- The programs that are kept once (app/store/bodies.py). Whatever makes or ends a record that names one counts it in the
-- same call, so a program goes with the last record that has it, and not before.
local function program_key(hash) return P .. 'program:' .. hash end

-- Counts a record, given as a list of short names and values, for the program that it names. `text`: its source.
local function hold_program(record, text)
  for i = 1, #record, 2 do
    if record[i] == F.program_hash then
      local k = program_key(record[i + 1])
      if redis.call('HINCRBY', k, 'uses', 1) == 1 then redis.call('HSET', k, 'text', text) end
    end
  end
end

-- Takes a record back from the count. `hash`: false for none.
local function release_program(hash)
  if not hash then return end
  local k = program_key(hash)
  if redis.call('HINCRBY', k, 'uses', -1) < 1 then redis.call('UNLINK', k) end
end

-- Replaces what is kept of the body beside the record `k`, '' for none.
local function put_body(k, body)
  if body == '' then redis.call('DEL', k .. ':spec') else redis.call('SET', k .. ':spec', body) end
end

-- What is kept beside the record `k` of a task or scheduled task: its body and its program, each '' for none.
local function kept_beside(k)
  local own = read(k, 'body', 'program_hash')
  return not own.body and redis.call('GET', k .. ':spec') or '',
    own.program_hash and redis.call('HGET', program_key(own.program_hash), 'text') or ''
end

-- The result in the record `k`, or in the key `:result` behind `part`; '' for none.
local function result_of(k, part) return get(k, 'result') or redis.call('GET', part .. ':result') or '' end

-- Adds an ended attempt (JSON) to the list beside the record.
local function record_attempt(id, attempt)
  redis.call('RPUSH', key(id) .. ':attempts', attempt)
  redis.call('LTRIM', key(id) .. ':attempts', 1 - ATTEMPTS_KEPT, -1)
end

-- The number of queued tasks.
local function count_queued()
  local number = 0
  for _, kind in ipairs(KINDS) do
    for _, task_type in ipairs(TASK_TYPES) do
      number = number + redis.call('ZCARD', task_index(kind, task_type, 'queued'))
    end
  end
  return number
end

-- Decides whether tasks or a schedule may be created. request_key, request_value: an idempotency key and the value to
-- remember with it (both '' for none) · most_waiting: maximum number of waiting tasks ('' for no limit) · number: how
-- many tasks to create · first_id: the first of them.
-- Returns nil if the creation may proceed; the key is then remembered. Returns {'repeated', remembered value} if the
-- key was used before, and {'full'} if too many tasks would wait.
-- A call that the client sent twice is recognized by its own value: it may proceed, and changes nothing.
local function admit(request_key, request_value, most_waiting, number, first_id)
  if request_key ~= '' then
    local first = redis.call('GET', P .. 'idem:' .. request_key)
    if first == request_value then return nil end
    if first then return {'repeated', first} end
  end
  if most_waiting ~= '' then
    local waiting = redis.call('ZCARD', P .. 'sent') + redis.call('ZCARD', P .. 'due') + count_queued()
    waiting = waiting + (redis.call('GET', P .. 'promised') or 0)
    if waiting + number > tonumber(most_waiting) and redis.call('EXISTS', key(first_id)) == 0 then return {'full'} end
  end
  if request_key ~= '' then redis.call('SET', P .. 'idem:' .. request_key, request_value, 'EX', 86400) end
  return nil
end

-- Moves a task to the index of another status, and sets the status in its record, with further fields. `task`: its kind,
-- task_type, status and seq as they are now · is_told: as for `record_change`
local function move_task(id, task, status, now_ms, actor, reason, fields, is_told)
  redis.call('ZREM', task_index(task.kind, task.task_type, task.status), id)
  redis.call('ZADD', task_index(task.kind, task.task_type, status), task.seq, id)
  fields.status = status
  set(key(id), fields)
  record_change(id, task.status, status, now_ms, actor, reason, is_told)
end

local function move(id, status, now_ms, actor, reason)
  move_task(id, read(key(id), 'kind', 'task_type', 'status', 'seq'), status, now_ms, actor, reason, {})
end

local QUEUED_BY = columns('kind', 'priority')

-- The set of queued tasks for a task, given its kind and priority: those whose messages are in the same list.
local function queued_set(task) return P .. 'queued:' .. task.kind .. ':' .. (task.priority or DEFAULT_PRIORITY) end

-- The same, from its record.
local function queued_key(id) return queued_set(row(key(id), QUEUED_BY)) end

-- Removes a task from every set that could start it, or fail it because it has not started.
local function unschedule(id)
  redis.call('ZREM', P .. 'expiring', id)
  redis.call('ZREM', P .. 'due', id)
  redis.call('ZREM', P .. 'sent', id)
  redis.call('ZREM', queued_key(id), id)
end

-- Records when a task expires that has not started: `expires_in` seconds (false for never) after it is due.
-- `write`: `gather` in scripts that do this for many tasks; otherwise the write is immediate.
local function set_expiry(id, due_ms, expires_in, write)
  if not expires_in then return end
  write = write or redis.call
  write('ZADD', P .. 'expiring', whole(tonumber(due_ms) + math.ceil(tonumber(expires_in) * 1000)), id)
end

-- Records that a message older than its score among the queued tasks may exist. Its place in a list says nothing about others.
local function mark_older_message(id) set(key(id), {has_older_message = '1'}) end

-- Adds a task to the set for its status, waiting or queued, and pushes its message if there is one.
-- `write`: `gather`, in scripts that enqueue many tasks; otherwise the writes are immediate.
local function enqueue(id, status, due_ms, now_ms, queue_key, message, write)
  write = write or redis.call
  if status == 'queued' then
    write('ZADD', queued_key(id), now_ms, id)
  elseif message ~= '' then
    write('ZADD', P .. 'sent', due_ms, id)
  else
    write('ZADD', P .. 'due', due_ms, id)
  end
  if message ~= '' then write('LPUSH', queue_key, message) end
end

-- The task id in a message; nil for a foreign one.
local function task_in_message(text)
  local is_json, content = pcall(cjson.decode, text)
  local headers = is_json and type(content) == 'table' and content.headers
  local is_ours = type(headers) == 'table' and headers.task == EXECUTE and type(headers.id) == 'string'
  return is_ours and headers.id or nil
end

-- Adds to a total that only grows (`totals`), for what happens seldom. GET /metrics tells it.
local function total(name, number) redis.call('HINCRBY', P .. 'totals', name, number or 1) end

-- Adds to a counter of this minute, for what happens to each task: GET /api/tasks/stats tells the last hour of it. Once
-- the minute is over, `fold` adds it to the totals, so that one command counts for both. The counters:
--   end:KIND:TYPE:OUTCOME:BUCKET  attempts by their end (succeeded, failed, stopped, retried, lost, returned), and the
--                                 tasks that ended without one; BUCKET: of the duration, '' if it does not count
--   run:KIND:OUTCOME  µs that the attempts with a bucket took · wait:KIND:BUCKET  attempts by the wait from due to start
--   waited:KIND  ms of these waits
local minute_key, minute_of_ms
local function count(now_ms, counter, number)
  if minute_of_ms ~= now_ms then
    minute_of_ms, minute_key = now_ms, P .. 'minute:' .. math.floor(tonumber(now_ms) / 60000)
  end
  if redis.call('HINCRBY', minute_key, counter, number or 1) == 1 then  -- perhaps the first of this minute
    redis.call('SADD', P .. 'minute:open', string.sub(minute_key, #P + 8))
  end
end

-- Counts a task that leaves its kind and type without an end: it is removed before it has finished, or becomes another one.
-- So the tasks created are those that ended, those that have not finished, and these. `number`: -1 for one that comes to
-- its kind and type by such a change, since it was not created as one of them.
local function count_gone(task, number) total('gone:' .. task.kind .. ':' .. task.task_type, number) end

-- Histogram bucket: ten in each of the ranges 1 to 2, 2 to 5 and 5 to 10 of each power of ten, from 0.1 ms on
-- (app/store/histogram.py computes the same bounds).
local function bucket(ms)
  local value = math.max(tonumber(ms), 0.1)
  local decade = math.floor(math.log10(value))
  local first, place = value / 10 ^ decade, nil
  if first <= 2 then
    place = math.ceil((first - 1) * 10)
  elseif first <= 5 then
    place = 10 + math.ceil((first - 2) / 0.3)
  else
    place = 20 + math.ceil((first - 5) * 2)
  end
  return 30 * (decade + 1) + place
end

-- Counts the end of an attempt. `task`: kind and task_type · duration_ms: nil if it does not count
local function count_end(now_ms, task, outcome, duration_ms)
  local name = 'end:' .. task.kind .. ':' .. task.task_type .. ':' .. outcome .. ':'
  if not duration_ms then return count(now_ms, name) end
  count(now_ms, name .. bucket(duration_ms))
  count(now_ms, 'run:' .. task.kind .. ':' .. outcome, math.floor(duration_ms * 1000 + 0.5))
end

-- All that is kept of a task: its record as a flat list, what `kept_beside` returns…, its result and stdout (each '' for
-- none), attempts and changes of status. nil for no such task.
local function everything_of(id)
  local k = key(id)
  local record = redis.call('HGETALL', k)
  if #record == 0 then return nil end
  local body, program = kept_beside(k)
  return {
    record, body, program, result_of(k, k), redis.call('GET', k .. ':stdout') or '',
    redis.call('LRANGE', k .. ':attempts', 0, -1), redis.call('LRANGE', k .. ':history', 0, -1),
  }
end

local TOLD_BYTES = 16384  -- of a task that is told whole; who waits for a larger one reads it

-- What an inbox is told: the id of a task that has ended or is gone and, unless it is large, ' ' and everything of it as
-- JSON, so that the process that waits for it need not read it.
local function told_of(id)
  local all = everything_of(id)
  if not all or #all[2] + #all[3] + #all[4] + #all[5] > TOLD_BYTES then return id end
  local text = cjson.encode(all)
  return #text > 2 * TOLD_BYTES and id or id .. ' ' .. text
end

-- Notifies waiting clients of the end of a task, on the channel of the task and on an inbox (false for none).
local function notify(id, status, inbox)
  redis.call('PUBLISH', P .. 'done:' .. id, status)
  if inbox then redis.call('PUBLISH', P .. 'inbox:' .. inbox, told_of(id)) end
end

local GROUPS_KEPT, GROUP_DAYS = 1000, 30  -- of failures with one fingerprint: those that failed last

local function forget_group(fingerprint)
  redis.call('ZREM', P .. 'errors', fingerprint)
  redis.call('DEL', P .. 'error:' .. fingerprint, P .. 'error:' .. fingerprint .. ':by')
end

-- Counts a failure in the group of its fingerprint. Groups that are too many or too old are removed, a few at a time.
local function count_failure(task, now_ms, fingerprint, error_type, message)
  local k = P .. 'error:' .. fingerprint
  if redis.call('HINCRBY', k, 'count', 1) == 1 then
    redis.call('HSET', k, 'type', error_type, 'message', message, 'kind', task.kind, 'first_ms', now_ms)
  end
  redis.call('HSET', k, 'last_ms', now_ms)
  redis.call('EXPIRE', k, GROUP_DAYS * 86400)
  if task.scheduled_task_id then
    redis.call('ZADD', k .. ':by', now_ms, task.scheduled_task_id)
    redis.call('ZREMRANGEBYRANK', k .. ':by', 0, -6)
    redis.call('EXPIRE', k .. ':by', GROUP_DAYS * 86400)
  end
  redis.call('ZADD', P .. 'errors', now_ms, fingerprint)
  local too_many = redis.call('ZCARD', P .. 'errors') - GROUPS_KEPT
  if too_many > 0 then
    for _, old in ipairs(redis.call('ZRANGE', P .. 'errors', 0, math.min(too_many, 5) - 1)) do forget_group(old) end
  end
  local since_ms = whole(tonumber(now_ms) - GROUP_DAYS * 86400000)
  local over = redis.call('ZRANGEBYSCORE', P .. 'errors', '-inf', '(' .. since_ms, 'LIMIT', 0, 5)
  for _, old in ipairs(over) do forget_group(old) end
end

-- Lists a failed task by its error, and counts it. `task`: seq, kind and scheduled_task_id · `failure`: JSON
-- [fingerprint, error type, message without what varies] (app/store/failures.py).
local function index_failure(id, task, now_ms, failure)
  local fingerprint, error_type, message = unpack(cjson.decode(failure))
  local seq = task.seq
  count_failure(task, now_ms, fingerprint, error_type, message)
  set(key(id), {fingerprint = fingerprint, error_type = error_type})
  redis.call('ZADD', P .. 'fp:' .. fingerprint, seq, id)
  redis.call('ZADD', P .. 'et:' .. error_type, seq, id)
end

-- Notes in a schedule (false for none) how its task has ended. A stop is not a failure and ends no streak.
local function note_outcome(schedule_id, status)
  local k = schedule_id and schedule_key(schedule_id)
  if not k or redis.call('EXISTS', k) == 0 then return end
  set(k, {last_outcome = status})
  if status == 'failed' then
    add(k, 'failed_count', 1)
    add(k, 'failure_streak', 1)
  elseif status == 'succeeded' then
    add(k, 'succeeded_count', 1)
    unset(k, 'failure_streak')
  end
end

-- Creates a delivery that is due now. `fields`: type (required), event_id, channel, url, task_id, scheduled_task_id, data
-- (docs/decisions/0025). Returns its id, a UUIDv7 with the time of its sequence number.
-- It needs no helper of its own outside: every script that ends tasks would define that at each call, mostly in vain.
local function add_delivery(fields, now_ms)
  local seq = take_seqs(now_ms, 1)
  local score, time = whole(seq), string.format('%012x', math.floor(seq / SEQ_PER_MS))
  local noise = redis.sha1hex(score .. (fields.task_id or fields.channel or ''))
  local id = string.format('%s-%s-7%03x-8%s-%s', string.sub(time, 1, 8), string.sub(time, 9), seq % SEQ_PER_MS,
                           string.sub(noise, 1, 3), string.sub(noise, 4, 15))
  local record = {
    'seq', score, 'status', 'pending', 'created_ms', now_ms, 'next_try_ms', now_ms,
    'event_id', fields.event_id or 'msg_' .. id,
  }
  for _, name in ipairs({'type', 'channel', 'url', 'task_id', 'scheduled_task_id', 'data'}) do
    if fields[name] then
      record[#record + 1] = name
      record[#record + 1] = fields[name]
    end
  end
  redis.call('HSET', P .. 'd:' .. id, unpack(record))
  local function list(index) redis.call('ZADD', P .. 'deliveries' .. index, score, id) end
  list('')
  list(':pending')
  if fields.task_id then list(':task:' .. fields.task_id) end
  if fields.scheduled_task_id then list(':schedule:' .. fields.scheduled_task_id) end
  if fields.channel then list(':channel:' .. fields.channel) end
  redis.call('ZADD', P .. 'deliveries:due', now_ms, id)
  if fields.channel then redis.call('ZADD', P .. 'deliveries:due:notices', now_ms, id) end
  -- If others were due already, couriers know, and will find this one with them.
  if redis.call('ZCOUNT', P .. 'deliveries:due', '-inf', now_ms) == 1 then
    redis.call('PUBLISH', P .. 'deliveries', 'due')
  end
  return id
end

local function delivery_key(id) return P .. 'd:' .. id end
local function delivery_index(status) return P .. 'deliveries:' .. status end

-- The key of the record of a delivery's task, and what precedes `:result` and `:stdout`: its own, or, once it is removed,
-- what was left of it to the delivery.
local function subject_of(delivery_id, task_id)
  if redis.call('EXISTS', key(task_id)) == 1 then return key(task_id), key(task_id) end
  return delivery_key(delivery_id) .. ':task', delivery_key(delivery_id)
end

-- Sets when a pending delivery is tried next.
local function put_back(id, next_try_ms)
  redis.call('HSET', delivery_key(id), 'next_try_ms', next_try_ms)
  redis.call('ZADD', P .. 'deliveries:due', next_try_ms, id)
  if redis.call('HEXISTS', delivery_key(id), 'channel') == 1 then
    redis.call('ZADD', P .. 'deliveries:due:notices', next_try_ms, id)
  end
end

-- Moves a delivery to the index of another status.
local function move_delivery(id, status)
  local k = delivery_key(id)
  local delivery = redis.call('HMGET', k, 'status', 'seq')
  redis.call('ZREM', delivery_index(delivery[1]), id)
  redis.call('ZADD', delivery_index(status), delivery[2], id)
  redis.call('HSET', k, 'status', status)
end

-- Removes every trace of a delivery.
local function erase_delivery(id)
  local k = delivery_key(id)
  local status, task_id, schedule_id, channel =
    unpack(redis.call('HMGET', k, 'status', 'task_id', 'scheduled_task_id', 'channel'))
  local function unlist(index) redis.call('ZREM', P .. 'deliveries' .. index, id) end
  unlist('')
  unlist(':' .. status)
  if task_id then unlist(':task:' .. task_id) end
  if schedule_id then unlist(':schedule:' .. schedule_id) end
  if channel then unlist(':channel:' .. channel) end
  unlist(':due')
  unlist(':due:notices')
  unlist(':leases')
  redis.call('DEL', k, k .. ':tries', k .. ':task', k .. ':result', k .. ':stdout')
end

-- Leaves what the pending deliveries of a task need of it to them. The task is removed right after.
local function bequeath(task_id)
  for _, id in ipairs(redis.call('ZRANGE', P .. 'deliveries:task:' .. task_id, 0, -1)) do
    local k = delivery_key(id)
    local delivery = redis.call('HMGET', k, 'status', 'data')
    if delivery[1] == 'pending' and not delivery[2] and redis.call('RENAMENX', key(task_id), k .. ':task') == 1 then
      for _, part in ipairs({':result', ':stdout'}) do
        if redis.call('EXISTS', key(task_id) .. part) == 1 then redis.call('RENAME', key(task_id) .. part, k .. part) end
      end
      return
    end
  end
end

-- The alert rule (JSON) of scheduled tasks that have none of their own; false for none. Looked up once per script.
local default_alert
local function alert_default()
  if default_alert == nil then
    local rule = redis.call('GET', P .. 'alerts:default')
    default_alert = rule ~= '' and rule
  end
  return default_alert
end

-- Has a new task of a schedule looked at when it is late by the rule `alert` (JSON, false for none).
local function look_if_late(id, due_ms, alert)
  local seconds = alert and string.match(alert, '"late_after":([%d.]+)')
  if seconds then gather('ZADD', P .. 'alerts:late', whole(tonumber(due_ms) + 1000 * tonumber(seconds)), id) end
end

-- A task that has finished, or is gone, is not looked at any more.
local function look_no_more(id) redis.call('ZREM', P .. 'alerts:late', id) end

-- Has a schedule that has an alert rule, or had one, looked at soon.
local function look_at_schedule(id, now_ms)
  if get(schedule_key(id), 'alert') or alert_default() or redis.call('HEXISTS', P .. 'alerts:schedules', id) == 1 then
    redis.call('ZADD', P .. 'alerts:due', now_ms, 's:' .. id)
  end
end

local TAG_VALUES_KEPT = 50  -- of each tag in METRICS_TAGS; further values are counted as 'other'

-- The value under which a task with the tag `name:value` is counted.
local function value_counted(name, value)
  local k = P .. 'totals:values:' .. name
  if redis.call('SISMEMBER', k, value) == 1 then return value end
  if redis.call('SCARD', k) >= TAG_VALUES_KEPT then return 'other' end
  redis.call('SADD', k, value)
  return value
end

-- Counts the end of a task for each of its tags `name:value` whose name is in METRICS_TAGS. `tags`: JSON, false for none
local function count_tags(task, status)
  if not task.tags or not string.find(task.tags, ':', 1, true) then return end
  local names = redis.call('GET', P .. 'totals:tags')  -- each surrounded by commas
  if not names or names == ',' then return end
  local seen = {}  -- a tag may be given twice, and several values may count as 'other'
  for _, tag in ipairs(cjson.decode(task.tags)) do
    local name, value = string.match(tag, '^([^:]+):(.+)$')
    if name and string.find(names, ',' .. name .. ',', 1, true) then
      local counted = name .. ':' .. value_counted(name, value)
      if not seen[counted] then total('tag:' .. task.kind .. ':' .. status .. ':' .. counted) end
      seen[counted] = true
    end
  end
end

-- Steps that run when a task finishes, in this order and in the same call, whether an attempt, a stop or a lost worker
-- ended it. To add a step, add a function. `ending`: id, status, now_ms, actor, reason, failure (of a failed task; see
-- `index_failure`), task (its fields before its end, as `finish` reads them; false for none), is_told, duration_ms
local FINISH_STEPS = {
  function(ending)  -- remove it from everything that could recover or start it
    if ending.task.status == 'running' then
      redis.call('ZREM', P .. 'leases', ending.id)
    else
      unschedule(ending.id)
    end
  end,
  function(ending)  -- remove the fields of unfinished tasks
    unset(key(ending.id), 'lease_until_ms', 'epoch', 'claim', 'stop_requested_ms', 'inbox', 'has_older_message')
  end,
  function(ending)
    local fields = {finished_ms = ending.now_ms}
    if ending.task.status == 'waiting' then fields.queued_ms = '' end  -- it never was
    move_task(ending.id, ending.task, ending.status, ending.now_ms, ending.actor, ending.reason, fields, ending.is_told)
  end,
  function(ending)  -- list it by its finish, and by its error
    local task = ending.task
    local finish_seq = whole(take_seqs(ending.now_ms, 1))
    redis.call('ZADD', finished_index(task.kind, task.task_type, ending.status), finish_seq, ending.id)
    if ending.status == 'failed' and ending.failure then
      index_failure(ending.id, task, ending.now_ms, ending.failure)
    end
  end,
  function(ending) count_end(ending.now_ms, ending.task, ending.status, ending.duration_ms) end,
  function(ending) count_tags(ending.task, ending.status) end,
  function(ending) note_outcome(ending.task.scheduled_task_id, ending.status) end,
  function(ending)  -- have its callback told
    local url, on = ending.task.callback_url, ending.task.callback_on  -- both JSON; no `on`: whatever the status
    if not url or on and not string.find(on, '"' .. ending.status .. '"', 1, true) then return end
    add_delivery({
      type = 'task.' .. ending.status, url = cjson.decode(url), task_id = ending.id,
      scheduled_task_id = ending.task.scheduled_task_id,
    }, ending.now_ms)
  end,
  -- Note it for its alert rule. The stream has events in these forms (app/usecases/alerts.py):
  --   ended, schedule id, task id, status, ms · failed, task id, ms, channels, name: of a task without a schedule
  --   missed, schedule id, number, ms of the first, ms (fire.lua)
  function(ending)
    local task, event = ending.task, nil
    if task.scheduled_task_id then
      if task.alert or alert_default() then
        look_no_more(ending.id)
        event = {'ended', task.scheduled_task_id, ending.id, ending.status, ending.now_ms}
      end
    elseif task.alert and ending.status == 'failed' then
      local channels = table.concat(cjson.decode(task.alert).channels, ',')
      if channels ~= '' then event = {'failed', ending.id, ending.now_ms, channels, get(key(ending.id), 'name')} end
    end
    if event then redis.call('XADD', P .. 'alerts:events', '*', 'e', cjson.encode(event)) end
  end,
  function(ending) notify(ending.id, ending.status, ending.task.inbox) end,
}

-- Ends a task: runs the steps. `failure`: with the status failed, what `index_failure` takes · is_told: whether the
-- worker that runs it ends it, so that the record tells how · duration_ms: of the attempt that ends it, nil for none
local function finish(id, status, now_ms, actor, reason, failure, is_told, duration_ms)
  local task = read(key(id), 'kind', 'task_type', 'status', 'seq', 'scheduled_task_id', 'inbox', 'callback_url', 'callback_on',
                    'alert', 'tags')
  local ending = {
    id = id, status = status, now_ms = now_ms, actor = actor, reason = reason, failure = failure, task = task,
    is_told = is_told, duration_ms = duration_ms,
  }
  for _, step in ipairs(FINISH_STEPS) do step(ending) end
end

-- Removes the task from the indexes of its tags (JSON, false for none).
local function untag(id, tags)
  for _, tag in ipairs(cjson.decode(tags or '[]')) do redis.call('ZREM', P .. 'tag:' .. tag, id) end
end

-- Removes a task from the index of its name. A name is removed with its last task.
local function unname(id, folded_name)
  local k = P .. 'name:' .. folded_name
  redis.call('ZREM', k, id)
  if redis.call('EXISTS', k) == 0 then
    redis.call('ZREM', P .. 'names', folded_name)
    redis.call('ZREM', P .. 'newest', folded_name)
  end
end

-- Removes every trace of a task that is not running.
local function erase(id)
  local k = key(id)
  local task = read(k, 'kind', 'task_type', 'status', 'tags', 'scheduled_task_id', 'name', 'folded_name', 'finished_ms',
                    'fingerprint', 'error_type', 'callback_url', 'program_hash')
  release_program(task.program_hash)
  unschedule(id)
  if not task.finished_ms then
    count_gone(task)
    if task.scheduled_task_id then look_no_more(id) end
  end
  redis.call('ZREM', task_index(task.kind, task.task_type, task.status), id)
  if task.finished_ms then redis.call('ZREM', finished_index(task.kind, task.task_type, task.status), id) end
  if task.fingerprint then
    redis.call('ZREM', P .. 'fp:' .. task.fingerprint, id)
    redis.call('ZREM', P .. 'et:' .. task.error_type, id)
  end
  untag(id, task.tags)
  unname(id, task.folded_name or task.name)
  if task.scheduled_task_id then redis.call('ZREM', P .. 'by:' .. task.scheduled_task_id, id) end
  if task.callback_url then bequeath(id) end
  redis.call('DEL', k, k .. ':spec', k .. ':result', k .. ':stdout', k .. ':attempts', k .. ':history')
end

-- Writes a new task: record, body, indexes and message; some writes are buffered. An existing id is left unchanged.
-- `task`: a table with the names of TASK, whose `record` is a list. Returns whether the task was new.
local function create(task, now_ms, seq)
  local id, k = task.id, key(task.id)
  if redis.call('EXISTS', k) == 1 then return false end
  if task.body ~= '' then redis.call('SET', k .. ':spec', task.body) end
  hold_program(task.record, task.program)
  local score = whole(seq)
  local record = {
    F.kind, task.kind, F.task_type, task.task_type, F.status, task.status, F.seq, score,
    F.due_ms, task.due_ms, F.attempt, '0', unpack(task.record),
  }
  local n = #record
  -- Left out where another field tells it (`read_task` of app/store/record.py).
  if math.floor(seq / SEQ_PER_MS) ~= tonumber(now_ms) then
    record[n + 1], record[n + 2] = F.created_ms, now_ms
    n = n + 2
  end
  if task.status == 'queued' and tonumber(task.due_ms) ~= tonumber(now_ms) then
    record[n + 1], record[n + 2] = F.queued_ms, now_ms
    n = n + 2
  end
  if task.tags ~= '' then
    for _, tag in ipairs(cjson.decode(task.tags)) do gather('ZADD', P .. 'tag:' .. tag, score, id) end
  end
  if task.schedule_id ~= '' then
    record[n + 1], record[n + 2] = F.scheduled_task_id, task.schedule_id
    redis.call('ZADD', P .. 'by:' .. task.schedule_id, score, id)
  end
  local alert
  for i = 1, #task.record, 2 do
    if task.record[i] == F.expires_in then set_expiry(id, task.due_ms, task.record[i + 1], gather) end
    if task.record[i] == F.alert then alert = task.record[i + 1] end
  end
  if task.schedule_id ~= '' then look_if_late(id, task.due_ms, alert or alert_default()) end
  redis.call('HSET', k, unpack(record))
  gather('ZADD', P .. 'name:' .. task.folded_name, score, id)
  gather('ZADD', P .. 'names', '0', task.folded_name)
  gather('ZADD', P .. 'newest', score, task.folded_name)
  gather('ZADD', task_index(task.kind, task.task_type, task.status), score, id)
  enqueue(id, task.status, task.due_ms, now_ms, task.queue_key, task.message, gather)
  local creator = task.schedule_id == '' and 'api' or 'schedule ' .. task.schedule_id
  announce(id, '', task.status, now_ms, creator, 'created')
  return true
end

-- The task whose values begin at position `place` of a list, in the form that `create` expects.
local function task_in(values, place)
  local task = {}
  for i, name in ipairs(TASK_VALUES) do task[name] = values[place + i - 1] end
  task.record = cjson.decode(task.record)
  return task
end

-- The same, for ARGV.
local function task_at(place) return task_in(ARGV, place) end

local function batch_key(id) return P .. 'batch:' .. id end

-- Stops a waiting or queued task at once. For a running task, stores the request and notifies the workers; `force` ends
-- its record as well. Returns the status before ('' for no such task) and after.
local function stop(id, now_ms, force, actor, reason)
  local status = get(key(id), 'status')
  if not status then return '', '' end
  if status == 'waiting' or status == 'queued' or (status == 'running' and force) then
    finish(id, 'stopped', now_ms, actor, reason)
    if status == 'running' then redis.call('PUBLISH', P .. 'stop', id) end
    return status, 'stopped'
  end
  if status == 'running' then
    set(key(id), {stop_requested_ms = now_ms})
    redis.call('PUBLISH', P .. 'stop', id)
  end
  return status, status
end

-- Fails a task that has not started in time. `failure`: JSON with `error` (JSON) and, by kind, what `index_failure` takes.
local function expire(id, now_ms, actor, failure)
  local values = cjson.decode(failure)
  set(key(id), {error = values.error})
  finish(id, 'failed', now_ms, actor, 'ExpiredError', values[get(key(id), 'kind')])
end

-- What `start` needs to know of a task.
local STARTED = columns('status', 'due_ms', 'kind', 'task_type', 'seq', 'priority', 'attempt', 'claim')

-- The epoch of a claim, for fencing. An attempt number can be reused by an attempt that did not count, but no two claims of
-- a task may look alike, not even if Redis has forgotten the first of them in a failover. 13 digits are exact in a double.
local function epoch_of(claim) return whole(tonumber(string.sub(redis.sha1hex(claim), 1, 13), 16)) end

-- Starts an attempt of a task that is queued, or waiting and due. `task`: as read by STARTED · `claim`: identifies the
-- call, and no other call has the same
local function start(id, task, now_ms, lease_until_ms, worker, claim)
  if task.status == 'queued' then
    redis.call('ZREM', P .. 'expiring', id)
    redis.call('ZREM', queued_set(task), id)
  else
    unschedule(id)
  end
  redis.call('ZADD', P .. 'leases', lease_until_ms, id)
  local attempt = task.attempt + 1
  local fields = {
    attempt = attempt, epoch = epoch_of(claim), started_ms = now_ms, worker = worker, lease_until_ms = lease_until_ms,
    claim = claim,
  }
  local reason = 'attempt ' .. attempt .. ' starts'
  move_task(id, task, 'running', now_ms, worker, reason, fields, task.status == 'queued')
  if attempt > 1 then
    local k = key(id)
    unset(k, 'finished_ms', 'duration_ms', 'error', 'result', 'stdout_truncated', 'cpu_ms', 'memory_kb')
    redis.call('DEL', k .. ':result', k .. ':stdout')
  end
  local wait_ms = math.max(0, tonumber(now_ms) - tonumber(task.due_ms))
  count(now_ms, 'wait:' .. task.kind .. ':' .. bucket(wait_ms))
  count(now_ms, 'waited:' .. task.kind, wait_ms)
end

-- What a worker needs of a task that it has claimed: its record as a JSON array, and what `kept_beside` returns. The
-- client would need longer to read a reply of 40 parts than a text.
local function granted(id) return cjson.encode(redis.call('HGETALL', key(id))), kept_beside(key(id)) end

-- Whether a task that has not started had to start before now.
local function is_expired(id, now_ms)
  local expires_ms = redis.call('ZSCORE', P .. 'expiring', id)
  return expires_ms and tonumber(expires_ms) < tonumber(now_ms)
end

-- Whether a worker runs tasks of this kind. `kinds`: each kind surrounded by commas.
local function is_among(kind, kinds) return string.find(kinds, ',' .. kind .. ',', 1, true) ~= nil end

-- The answer that a call was given before (false if none), and how to remember it: for longer than a client may repeat a
-- command whose reply was lost.
local function answer_of(call) return redis.call('GET', P .. 'call:' .. call) end
local function remember_answer(call, answer) redis.call('SET', P .. 'call:' .. call, answer, 'EX', 60) end

local STOP_REQUESTED = 'stop requested'
local FINISHED = {succeeded = true, failed = true, stopped = true}

-- Whether nothing starts any more for a message whose task has this status, false for no such task. Every script writes a
-- task together with its message, so no message comes before its task.
local function is_over(status) return not status or FINISHED[status] end

-- Whether a list of tags (JSON, false for none) contains `tag`.
local function has_tag(tags, tag)
  for _, own in ipairs(cjson.decode(tags or '[]')) do
    if own == tag then return true end
  end
  return false
end

-- Whether a folded name matches a text: as a whole ('exact'), or as its 'prefix', 'suffix' or 'part'.
local function is_named(own, text, match)
  if match == 'exact' then return own == text end
  if match == 'prefix' then return string.sub(own, 1, #text) == text end
  if match == 'suffix' then return string.sub(own, -#text) == text end
  return string.find(own, text, 1, true) ~= nil
end

-- Whether a scheduled task, given its name, folded_name, tags and last_outcome, is among those that are listed. name,
-- match: as for `is_named`; name, tag, outcome: '' for any
local function is_schedule_listed(schedule, name, match, tag, outcome)
  local own = schedule.folded_name or schedule.name or ''
  return (name == '' or is_named(own, name, match)) and (tag == '' or has_tag(schedule.tags, tag))
    and (outcome == '' or schedule.last_outcome == outcome)
end

-- Moves a scheduled task to the index of another status, and sets status and next firing. `next_run_ms`: '' for none.
local function move_schedule(id, status, next_run_ms)
  local k = schedule_key(id)
  local schedule = read(k, 'kind', 'status', 'seq')
  redis.call('ZREM', schedule_index(schedule.kind, schedule.status), id)
  redis.call('ZADD', schedule_index(schedule.kind, status), schedule.seq, id)
  set(k, {status = status, next_run_ms = next_run_ms})
  if next_run_ms == '' then
    redis.call('ZREM', P .. 'cron', id)
  else
    redis.call('ZADD', P .. 'cron', next_run_ms, id)
  end
end

local function api_key(digest) return P .. 'apikey:' .. digest end

-- expires_ms: '' for never.
local function put_api_key(digest, name, scope, now_ms, expires_ms)
  redis.call('HSET', P .. 'apikeys', digest, name)
  redis.call('HSET', api_key(digest), 'name', name, 'scope', scope, 'created_ms', now_ms, 'expires_ms', expires_ms)
end

local function remove_api_key(digest)
  redis.call('HDEL', P .. 'apikeys', digest)
  redis.call('DEL', api_key(digest))
end

-- Changes the status of a scheduled task that has the status `before`; `next_run_ms`: '' for none.
-- Returns the status before ('' for no such scheduled task) and after.
local function switch_schedule(id, now_ms, before, after, next_run_ms)
  local k = schedule_key(id)
  local status = get(k, 'status')
  if not status then return '', '' end
  if status ~= before then return status, status end
  set(k, {updated_ms = now_ms})
  add(k, 'revision', 1)
  move_schedule(id, after, next_run_ms)
  look_at_schedule(id, now_ms)
  redis.call('PUBLISH', P .. 'beat', 'moved')
  return status, after
end

-- Removes a scheduled task. Tasks that it created remain. Returns whether there was one.
local function erase_schedule(id)
  local k = schedule_key(id)
  local schedule = read(k, 'status', 'kind', 'key', 'program_hash')
  if not schedule.status then return false end
  release_program(schedule.program_hash)
  redis.call('ZREM', schedule_index(schedule.kind, schedule.status), id)
  redis.call('ZREM', P .. 'cron', id)
  if schedule.key then redis.call('DEL', P .. 'keyed:' .. schedule.key) end
  redis.call('DEL', k, k .. ':spec', k .. ':firings')
  redis.call('ZREM', P .. 'alerts:due', 's:' .. id)
  redis.call('HDEL', P .. 'alerts:schedules', id)
  return true
end

local function bulk_key(id) return P .. 'bulk:' .. id end

-- Ends a bulk at its current position, and announces that on its channel.
local function end_bulk(id, status, now_ms)
  redis.call('HSET', bulk_key(id), 'status', status, 'finished_ms', now_ms)
  redis.call('DEL', bulk_key(id) .. ':ids')
  redis.call('ZREM', P .. 'bulks:running', id)
  redis.call('PUBLISH', P .. 'done:' .. id, status)
end

-- The next ids of a bulk, at most `number`. nil if it has ended, or if not exactly `position` of its ids are settled: then
-- another process has taken this step, or this call has arrived twice.
local function bulk_step(id, position, number)
  local bulk = redis.call('HMGET', bulk_key(id), 'status', 'done', 'failed')
  if bulk[1] ~= 'running' or bulk[2] + bulk[3] ~= tonumber(position) then return nil end
  return redis.call('LRANGE', bulk_key(id) .. ':ids', 0, number - 1)
end

-- Counts a step of a bulk, in the call that takes it: the next `done + failed` ids are settled.
local function advance_bulk(id, done, failed, now_ms)
  local k = bulk_key(id)
  local settled = redis.call('HINCRBY', k, 'done', done) + redis.call('HINCRBY', k, 'failed', failed)
  redis.call('LTRIM', k .. ':ids', done + failed, -1)
  if settled >= tonumber(redis.call('HGET', k, 'matched')) then end_bulk(id, 'completed', now_ms) end
end
