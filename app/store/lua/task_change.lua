-- Changes a waiting task if it is still as the caller saw it.
-- ARGV: now_ms, seen_due_ms, seen_revision, task…
-- seen_revision: '' for the first · task: the values of TASK; its status is waiting or queued
-- Returns 'waiting' or 'queued' if it was changed, another status if that one prevents the change, '' for no such task,
-- or 'other' if it was changed meanwhile.
local changed = task_at(task)
local id, k = changed.id, key(changed.id)
local seen = read(k, 'status', 'due_ms', 'revision', 'kind', 'task_type', 'seq', 'tags', 'attempt', 'name',
                  'folded_name', 'program_hash')
if not seen.status then return '' end
if seen.status ~= 'waiting' then return seen.status end
if seen.due_ms ~= seen_due_ms or (seen.revision or '') ~= seen_revision then return 'other' end
redis.call('ZREM', task_index(seen.kind, seen.task_type, seen.status), id)
if seen.kind ~= changed.kind or seen.task_type ~= changed.task_type then count_gone(seen) end
untag(id, seen.tags)
unname(id, seen.folded_name or seen.name)
if redis.call('ZSCORE', P .. 'sent', id) then mark_older_message(id) end
unschedule(id)
hold_program(changed.record, changed.program)
release_program(seen.program_hash)
redis.call('HDEL', k, unpack(SPEC_FIELDS))
if #changed.record > 0 then redis.call('HSET', k, unpack(changed.record)) end
set(k, {kind = changed.kind, task_type = changed.task_type, status = changed.status, due_ms = changed.due_ms})
add(k, 'revision', 1)
if seen.attempt == '0' then set_expiry(id, changed.due_ms, get(k, 'expires_in')) end
put_body(k, changed.body)
redis.call('ZADD', P .. 'name:' .. changed.folded_name, seen.seq, id)
redis.call('ZADD', P .. 'names', '0', changed.folded_name)
redis.call('ZADD', P .. 'newest', 'GT', seen.seq, changed.folded_name)
if changed.tags ~= '' then
  for _, tag in ipairs(cjson.decode(changed.tags)) do redis.call('ZADD', P .. 'tag:' .. tag, seen.seq, id) end
end
if changed.status == 'queued' then
  set(k, {queued_ms = now_ms})
  record_change(id, 'waiting', 'queued', now_ms, 'api', 'changed to be due now')
end
redis.call('ZADD', task_index(changed.kind, changed.task_type, changed.status), seen.seq, id)
enqueue(id, changed.status, changed.due_ms, now_ms, changed.queue_key, changed.message)
return changed.status
