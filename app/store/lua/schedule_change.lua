-- Changes a scheduled task if it is still as the caller saw it.
-- ARGV: schedule_id, now_ms, seen_revision, seen_next_run_ms, status, kind, next_run_ms, body, program, record
-- seen_next_run_ms, next_run_ms: '' for none · body, program: as in TASK · record: its fields as a JSON array: short name, value, …
-- Returns 1, or 0 if it was changed meanwhile or is gone.
local k = schedule_key(schedule_id)
local seen = read(k, 'revision', 'next_run_ms', 'kind', 'status', 'program_hash')
if seen.revision ~= seen_revision or seen.next_run_ms ~= seen_next_run_ms then return 0 end
redis.call('ZREM', schedule_index(seen.kind, seen.status), schedule_id)
redis.call('HDEL', k, unpack(SPEC_FIELDS))
record = cjson.decode(record)
hold_program(record, program)
release_program(seen.program_hash)
redis.call('HSET', k, unpack(record))
set(k, {kind = kind, updated_ms = now_ms})
add(k, 'revision', 1)
put_body(k, body)
move_schedule(schedule_id, status, next_run_ms)
look_at_schedule(schedule_id, now_ms)
redis.call('PUBLISH', P .. 'beat', 'changed')
return 1
