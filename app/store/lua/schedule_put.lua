-- Writes a new scheduled task.
-- ARGV: schedule_id, now_ms, kind, next_run_ms, name_key, body, program, record, request_key, request_value, most_waiting
-- name_key: the key that its caller chose, '' for none · body, program: as in TASK
-- record: all other fields as a JSON array: short name, value, …
-- request_key, request_value, most_waiting: as `admit` reads them
-- Returns the id (of the existing scheduled task if the key is taken), or the result of `admit` if nothing was created.
local k = schedule_key(schedule_id)
local taken = name_key ~= '' and redis.call('GET', P .. 'keyed:' .. name_key)
if taken then return taken end
local refused = admit(request_key, request_value, most_waiting, 0, schedule_id)
if refused then return refused end
if name_key ~= '' then redis.call('SET', P .. 'keyed:' .. name_key, schedule_id) end
if redis.call('EXISTS', k) == 1 then return schedule_id end
local seq = whole(take_seqs(now_ms, 1))
record = cjson.decode(record)
hold_program(record, program)
redis.call('HSET', k, unpack(record))
set(k, {kind = kind, status = 'active', seq = seq, created_ms = now_ms, updated_ms = now_ms, next_run_ms = next_run_ms,
        revision = '1'})
if name_key ~= '' then set(k, {key = name_key}) end
if body ~= '' then redis.call('SET', k .. ':spec', body) end
redis.call('ZADD', schedule_index(kind, 'active'), seq, schedule_id)
redis.call('ZADD', P .. 'cron', next_run_ms, schedule_id)
look_at_schedule(schedule_id, now_ms)
redis.call('PUBLISH', P .. 'beat', 'created')
return schedule_id
