-- Marks as queued all due tasks that a worker holds as a countdown but has not started (it is fully busy, or gone).
-- ARGV: now_ms, before_ms, limit, actor
-- before_ms: only tasks due by then
-- Returns the number of tasks.
local found = redis.call('ZRANGEBYSCORE', P .. 'sent', '-inf', before_ms, 'LIMIT', 0, limit)
for _, id in ipairs(found) do
  redis.call('ZREM', P .. 'sent', id)
  local due_ms = get(key(id), 'due_ms')
  if due_ms then
    mark_older_message(id)
    move(id, 'queued', now_ms, actor, 'due')
    redis.call('ZADD', queued_key(id), due_ms, id)
  end
end
return #found
