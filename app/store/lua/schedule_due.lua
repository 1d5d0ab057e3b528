-- Reads what beat needs to know of the scheduled tasks that are due, the most overdue first.
-- ARGV: now ms, limit
-- Returns one JSON array of strings: id, next firing ms, revision, kind, priority, terms as JSON, id, …
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'cron', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = id
  for _, value in ipairs(redis.call('HMGET', P .. 's:' .. id, 'nx', 'rv', 'k', 'p', 'te')) do
    found[#found + 1] = value
  end
end
return cjson.encode(found)
