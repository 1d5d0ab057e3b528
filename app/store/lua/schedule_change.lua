-- Changes a scheduled task if it is still as the caller saw it.
-- ARGV: schedule_id, now_ms, seen_revision, seen_next_run_ms, status, kind, next_run_ms, body, record
-- seen_next_run_ms, next_run_ms: '' for none · record: its fields as a JSON array: short name, value, …
-- Returns 1, or 0 if it was changed meanwhile or is gone.
local k = schedule_key(schedule_id)
local seen = read(k, 'revision', 'next_run_ms', 'kind', 'status')
if seen.revision ~= seen_revision or seen.next_run_ms ~= seen_next_run_ms then return 0 end
redis.call('ZREM', schedule_index(seen.kind, seen.status), schedule_id)
redis.call('HDEL', k, unpack(SPEC_FIELDS))
redis.call('HSET', k, unpack(cjson.decode(record)))
set(k, {kind = kind, updated_ms = now_ms})
add(k, 'revision', 1)
redis.call('SET', k .. ':spec', body)
move_schedule(schedule_id, status, next_run_ms)
redis.call('PUBLISH', P .. 'beat', 'changed')
return 1
