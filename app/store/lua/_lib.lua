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

-- The next sequence number: unique, growing, 2048 of them for each millisecond, exact in a double until 2109.
-- It is the score in every index, so two tasks of one millisecond never hide each other from a cursor.
local function next_seq(now)
  local last = tonumber(redis.call('GET', P .. 'seq') or '0')
  local seq = math.max(last + 1, tonumber(now) * 2048)
  redis.call('SET', P .. 'seq', whole(seq))
  return whole(seq)
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
-- for none), most tasks that may wait ('' for any number). `tasks`: how many are to be created.
-- Returns nil: it may, and the key is remembered from here on; {'repeated', what is remembered} where the key was used
-- before; {'full'} where too many tasks would wait.
-- What is remembered already is the caller's own where the client sent the call twice: that may go on, and changes nothing.
local function admit(at, tasks)
  local name, value, most = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if name ~= '' then
    local first = redis.call('GET', P .. 'idem:' .. name)
    if first == value then return nil end
    if first then return {'repeated', first} end
  end
  if most ~= '' then
    local waiting = redis.call('ZCARD', P .. 'queued') + redis.call('ZCARD', P .. 'sent') + redis.call('ZCARD', P .. 'due')
    if waiting + tasks > tonumber(most) then return {'full'} end
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

-- Puts a task where its status says: waiting or queued, with its message when there is one.
local function enqueue(id, status, due, now, queue, message)
  if status == 'queued' then
    redis.call('ZADD', P .. 'queued', now, id)
  elseif message ~= '' then
    redis.call('ZADD', P .. 'sent', due, id)
  else
    redis.call('ZADD', P .. 'due', due, id)
  end
  if message ~= '' then redis.call('LPUSH', queue, message) end
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

-- Ends a task: final leaf, counters, and a word to whoever waits for it.
local function finish(id, status, now, who, why)
  unschedule(id)
  redis.call('ZREM', P .. 'leases', id)
  redis.call('HSET', key(id), 'fi', now)
  redis.call('HDEL', key(id), 'ls', 'ep', 'stop')
  move(id, status, now, who, why)
  count(now, status)
  redis.call('PUBLISH', P .. 'done:' .. id, status)
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

-- Writes a new task: record, index, body, message. `at` is the place in ARGV of its first argument:
--   id, kind, type, status, due ms, queue key, message ('' for none), body, tags as JSON ('' for none),
--   schedule id ('' for none), number of further record fields, then those as name, value, …
-- Returns the place after its last argument, and whether it was new.
local function create(now, at)
  local id, kind, task_type, status, due = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local queue, message, body = ARGV[at + 5], ARGV[at + 6], ARGV[at + 7]
  local tags, schedule, fields = ARGV[at + 8], ARGV[at + 9], tonumber(ARGV[at + 10])
  local after = at + 11 + 2 * fields
  local k = key(id)
  if redis.call('EXISTS', k) == 1 then return after, false end
  local seq = next_seq(now)
  local record = {'k', kind, 'tt', task_type, 'st', status, 'q', seq, 'cr', now, 'du', due, 'at', '0'}
  if status == 'queued' then
    record[#record + 1] = 'qd'
    record[#record + 1] = now
  end
  for i = at + 11, after - 1 do record[#record + 1] = ARGV[i] end
  if tags ~= '' then
    record[#record + 1] = 'tg'
    record[#record + 1] = tags
    for _, tag in ipairs(cjson.decode(tags)) do redis.call('ZADD', P .. 'tag:' .. tag, seq, id) end
  end
  if schedule ~= '' then
    record[#record + 1] = 'sid'
    record[#record + 1] = schedule
    redis.call('ZADD', P .. 'by:' .. schedule, seq, id)
  end
  redis.call('HSET', k, unpack(record))
  redis.call('SET', k .. ':spec', body)
  redis.call('ZADD', leaf(kind, task_type, status), seq, id)
  enqueue(id, status, due, now, queue, message)
  return after, true
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

-- Writes down what became of a firing; the newest 1,000 are kept.
local function note_firing(schedule, at, outcome, task)
  local k = P .. 's:' .. schedule .. ':firings'
  redis.call('ZADD', k, at, at .. ':' .. outcome .. ':' .. task)
  redis.call('ZREMRANGEBYRANK', k, 0, -1001)
end

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
