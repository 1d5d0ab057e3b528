-- Reads what beat needs to know of the scheduled tasks that are due, the most overdue first.
-- ARGV: now_ms, limit
-- Returns one JSON array of strings: id, next firing ms, revision, kind, priority (null: the default), ms of its creation,
-- timing as JSON, id, …
local wanted, found = columns('next_run_ms', 'revision', 'kind', 'priority', 'created_ms', 'timing').shorts, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'cron', '-inf', now_ms, 'LIMIT', 0, limit)) do
  found[#found + 1] = id
  for _, value in ipairs(redis.call('HMGET', schedule_key(id), unpack(wanted))) do
    found[#found + 1] = value or cjson.null
  end
end
return cjson.encode(found)
