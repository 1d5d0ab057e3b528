-- Shared by every script: the store puts this file before each of them, with $PREFIX filled in.
--
-- Keys (listed with their types in app/store/keys.py):
--   t:ID HASH record, fields in app/store/record.py · t:ID:spec STRING · t:ID:result STRING
--   t:ID:stdout STRING · t:ID:attempts LIST · t:ID:history LIST
--   ix:KIND:TYPE:STATUS ZSET id by seq: each task in exactly one · tag:TAG ZSET · by:SCHEDULE ZSET
--   due ZSET id by due ms, no message sent · sent ZSET id by due ms, a worker holds it by countdown
--   queued ZSET id by ms since when its message has been out · leases ZSET id by ms of expiry
--   s:ID HASH scheduled task · s:ID:spec STRING · s:ID:firings ZSET "at:outcome:task" by ms · cron ZSET id by next firing
--   sx:KIND:STATUS ZSET schedule id by seq: each scheduled task in exactly one · keyed:KEY STRING schedule id
--   minute:N HASH counters of that minute · seq STRING last sequence number
--   idem:NAME STRING "fingerprint id ms": the first request with an idempotency key, for a day
local P = '$PREFIX'

local function key(id) return P .. 't:' .. id end

local function leaf(kind, task_type, status)
  return P .. 'ix:' .. kind .. ':' .. task_type .. ':' .. status
end

-- A number without exponent: Lua 5.1 writes large ones as 1.8e+15.
local function whole(number) return string.format('%.0f', number) end

-- Takes `number` sequence numbers and returns the first: unique, growing, 2048 of them for each millisecond, exact in a
-- double until 2109. It is the score in every index, so two tasks of one millisecond never hide each other from a cursor.
local function take_seqs(now, number)
  local last = tonumber(redis.call('GET', P .. 'seq') or '0')
  local first = math.max(last + 1, tonumber(now) * 2048)
  redis.call('SET', P .. 'seq', whole(first + number - 1))
  return first
end

-- What many tasks of one script add to the same key waits here, and is written by `flush` in few commands.
local gathered = {}

-- As redis.call, but later: for ZADD (score, member) and LPUSH (value).
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

local ARGUMENTS = 1000  -- of one command; Lua's stack holds 8,000, and an even number keeps pairs together

-- Writes what was gathered. Every script that creates tasks ends with it; before that, what was gathered can't be read.
local function flush()
  for k, list in pairs(gathered) do
    for first = 3, #list, ARGUMENTS do
      redis.call(list[1], k, unpack(list, first, math.min(first + ARGUMENTS - 1, #list)))
    end
  end
  gathered = {}
end

local HISTORY_LENGTH = 50

-- Notes a change of status, as app/store/record.py reads it; the newest are kept. A creation needs no note: the record
-- tells it.
local function note_change(id, from, to, now, who, why)
  local k = key(id) .. ':history'
  local length = redis.call('RPUSH', k, table.concat({now, from, to, who, why}, '\t'))
  if length > HISTORY_LENGTH then redis.call('LTRIM', k, -HISTORY_LENGTH, -1) end
end

-- Whether something may be created. ARGV from `at` on: name of an idempotency key and what to remember under it ('' both
-- for none), most tasks that may wait ('' for any number). `tasks`: how many are to be created, `id`: the first of them.
-- Returns nil: it may, and the key is remembered from here on; {'repeated', what is remembered} where the key was used
-- before; {'full'} where too many tasks would wait.
-- What is there already is the caller's own where the client sent the call twice: that may go on, and changes nothing.
local function admit(at, tasks, id)
  local name, value, most = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if name ~= '' then
    local first = redis.call('GET', P .. 'idem:' .. name)
    if first == value then return nil end
    if first then return {'repeated', first} end
  end
  if most ~= '' then
    local waiting = redis.call('ZCARD', P .. 'queued') + redis.call('ZCARD', P .. 'sent') + redis.call('ZCARD', P .. 'due')
    if waiting + tasks > tonumber(most) and redis.call('EXISTS', key(id)) == 0 then return {'full'} end
  end
  if name ~= '' then redis.call('SET', P .. 'idem:' .. name, value, 'EX', 86400) end
  return nil
end

-- Moves a task to another leaf, and its record to that status.
local function move(id, status, now, who, why)
  local k = key(id)
  local r = redis.call('HMGET', k, 'k', 'tt', 'st', 'q')
  redis.call('ZREM', leaf(r[1], r[2], r[3]), id)
  redis.call('ZADD', leaf(r[1], r[2], status), r[4], id)
  redis.call('HSET', k, 'st', status)
  note_change(id, r[3], status, now, who, why)
end

-- Takes a task out of everything that could start it.
local function unschedule(id)
  redis.call('ZREM', P .. 'due', id)
  redis.call('ZREM', P .. 'sent', id)
  redis.call('ZREM', P .. 'queued', id)
end

-- Notes that a message of this task may be out for longer than `queued` says: its place in a list tells nothing of others.
local function note_older_message(id) redis.call('HSET', key(id), 'dup', '1') end

-- Puts a task where its status says: waiting or queued, with its message when there is one.
-- `write`: `gather` where a script does so for many tasks; else at once.
local function enqueue(id, status, due, now, queue, message, write)
  write = write or redis.call
  if status == 'queued' then
    write('ZADD', P .. 'queued', now, id)
  elseif message ~= '' then
    write('ZADD', P .. 'sent', due, id)
  else
    write('ZADD', P .. 'due', due, id)
  end
  if message ~= '' then write('LPUSH', queue, message) end
end

local function count(now, field)
  local k = P .. 'minute:' .. whole(math.floor(tonumber(now) / 60000))
  redis.call('HINCRBY', k, field, 1)
  redis.call('EXPIRE', k, 7200)
end

-- Bucket of a histogram: bounds grow by 1.15 from 0.1 ms on (app/store/histogram.py reads them back).
local function bucket(ms)
  return math.max(0, math.ceil(math.log(math.max(tonumber(ms), 0.0001) / 0.1) / math.log(1.15)))
end

-- Tells who waits for a task that it has come to its end: on its own channel, and in an inbox (nil for none).
local function tell(id, what, inbox)
  redis.call('PUBLISH', P .. 'done:' .. id, what)
  if inbox then redis.call('PUBLISH', P .. 'inbox:' .. inbox, id) end
end

-- Ends a task: final leaf, counters, and a word to whoever waits for it.
local function finish(id, status, now, who, why)
  unschedule(id)
  redis.call('ZREM', P .. 'leases', id)
  local inbox = redis.call('HGET', key(id), 'ib')
  redis.call('HSET', key(id), 'fi', now)
  redis.call('HDEL', key(id), 'ls', 'ep', 'cl', 'stop', 'ib', 'dup')
  move(id, status, now, who, why)
  count(now, status)
  tell(id, status, inbox)
end

-- Removes every trace of a task.
local function erase(id)
  local k = key(id)
  local r = redis.call('HMGET', k, 'k', 'tt', 'st', 'tg', 'sid')
  unschedule(id)
  redis.call('ZREM', P .. 'leases', id)
  redis.call('ZREM', leaf(r[1], r[2], r[3]), id)
  if r[4] then
    for _, tag in ipairs(cjson.decode(r[4])) do redis.call('ZREM', P .. 'tag:' .. tag, id) end
  end
  if r[5] then redis.call('ZREM', P .. 'by:' .. r[5], id) end
  redis.call('DEL', k, k .. ':spec', k .. ':result', k .. ':stdout', k .. ':attempts', k .. ':history')
end

-- Writes a new task: record, body, indexes, message; some of it gathered. An id that exists already is left as it is.
-- message, tags (JSON), schedule: '' for none · body: '' for the one that its schedule keeps
-- ...: further fields of the record, as name, value, …
-- Returns whether it was new.
local function create(now, seq, id, kind, task_type, status, due, queue, message, body, tags, schedule, ...)
  local k, is_new = key(id), nil
  -- Every task has a body, so it tells whether there is one with this id.
  if body == '' then
    is_new = redis.call('COPY', P .. 's:' .. schedule .. ':spec', k .. ':spec') == 1
  else
    is_new = redis.call('SET', k .. ':spec', body, 'NX')
  end
  if not is_new then return false end
  local score = whole(seq)
  local record = {'k', kind, 'tt', task_type, 'st', status, 'q', score, 'cr', now, 'du', due, 'at', '0', ...}
  local n = #record
  if status == 'queued' then
    record[n + 1], record[n + 2] = 'qd', now
    n = n + 2
  end
  if tags ~= '' then
    record[n + 1], record[n + 2] = 'tg', tags
    n = n + 2
    for _, tag in ipairs(cjson.decode(tags)) do gather('ZADD', P .. 'tag:' .. tag, score, id) end
  end
  if schedule ~= '' then
    record[n + 1], record[n + 2] = 'sid', schedule
    redis.call('ZADD', P .. 'by:' .. schedule, score, id)
  end
  redis.call('HSET', k, unpack(record))
  gather('ZADD', leaf(kind, task_type, status), score, id)
  enqueue(id, status, due, now, queue, message, gather)
  return true
end

-- Reads the task at a place of ARGV: id, kind, type, status, due ms, queue key, message ('' for none), body,
-- tags as JSON ('' for none), schedule id ('' for none), number of further record fields, then those as name, value, …
-- Returns it as the list that `create` takes, and the place behind its last argument.
local function read_task(at)
  local after = at + 11 + 2 * tonumber(ARGV[at + 10])
  local task = {unpack(ARGV, at, at + 9)}
  for i = at + 11, after - 1 do task[#task + 1] = ARGV[i] end
  return task, after
end

-- Stops a task: at once where it waits or is queued; where it runs, the wish is stored and the workers are told.
-- With `force` the record of a running one is ended too. Returns the status before ('' for no such task), and now.
local function stop(id, now, force, who, why)
  local status = redis.call('HGET', key(id), 'st')
  if not status then return '', '' end
  if status == 'waiting' or status == 'queued' or (status == 'running' and force) then
    finish(id, 'stopped', now, who, why)
    if status == 'running' then redis.call('PUBLISH', P .. 'stop', id) end
    return status, 'stopped'
  end
  if status == 'running' then
    redis.call('HSET', key(id), 'stop', now)
    redis.call('PUBLISH', P .. 'stop', id)
  end
  return status, status
end

local FINISHED = {succeeded = true, failed = true, stopped = true}

-- Moves a scheduled task to another leaf, and its record to that status; `following` is its next firing, '' for none.
local function move_schedule(id, status, following)
  local k = P .. 's:' .. id
  local r = redis.call('HMGET', k, 'k', 'st', 'q')
  redis.call('ZREM', P .. 'sx:' .. r[1] .. ':' .. r[2], id)
  redis.call('ZADD', P .. 'sx:' .. r[1] .. ':' .. status, r[3], id)
  redis.call('HSET', k, 'st', status, 'nx', following)
  if following == '' then
    redis.call('ZREM', P .. 'cron', id)
  else
    redis.call('ZADD', P .. 'cron', following, id)
  end
end
