-- Changes a waiting task if it is still as the caller saw it.
-- ARGV: now_ms, seen_due_ms, seen_revision, call, task…
-- seen_revision: '' for the first · task: the values of TASK; its status is waiting or queued
-- call: identifies this call; a call that is sent again because its reply was lost gets the same answer
-- Returns 'waiting' or 'queued', which the change has made of it; or '' if it does not wait as the caller saw it.
local earlier = answer_of(call)
if earlier then return earlier end
local changed = task_at(task)
local id, k = changed.id, key(changed.id)
local seen = read(k, 'status', 'due_ms', 'revision', 'kind', 'task_type', 'seq', 'tags', 'attempt', 'name',
                  'folded_name', 'program_hash')
local is_as_seen = seen.status == 'waiting' and seen.due_ms == seen_due_ms and (seen.revision or '') == seen_revision
if not is_as_seen then return '' end
redis.call('ZREM', task_index(seen.kind, seen.task_type, seen.status), id)
if seen.kind ~= changed.kind or seen.task_type ~= changed.task_type then
  count_gone(seen)
  count_gone(changed, -1)
end
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
remember_answer(call, changed.status)
return changed.status
