-- Reads the data that beat needs about due scheduled tasks, most overdue first.
-- ARGV: now_ms, limit
-- Returns one JSON array of strings: id, next firing in ms, revision, kind, priority (null for the default), creation
-- in ms, timing as JSON, id, …
local wanted, found = columns('next_run_ms', 'revision', 'kind', 'priority', 'created_ms', 'timing').shorts, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'cron', '-inf', now_ms, 'LIMIT', 0, limit)) do
  found[#found + 1] = id
  for _, value in ipairs(redis.call('HMGET', schedule_key(id), unpack(wanted))) do
    found[#found + 1] = value or cjson.null
  end
end
return cjson.encode(found)
