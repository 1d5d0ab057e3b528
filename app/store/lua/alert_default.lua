-- Stores the rule of scheduled tasks that have none of their own. If it is another one than before, every scheduled task
-- is looked at.
-- ARGV: rule, now_ms
-- rule: JSON, '' for none. Returns 1 if it is another one, else 0.
-- That there is none is stored as well: a process with a rule stores it if the key is missing, as Redis has lost data.
-- Not in parts: it happens when somebody changes ALERT_DEFAULT, and with 100,000 scheduled tasks takes 0.2 to 0.4 s. In
-- parts, a beat that dies between them would leave scheduled tasks that nobody looks at.
local before = redis.call('GET', P .. 'alerts:default')
if not before and rule == '' then redis.call('SET', P .. 'alerts:default', '') end
if (before or '') == rule then return 0 end
redis.call('INCR', P .. 'alerts:revision')  -- a round that is under way would take back the looks at what it has read
redis.call('SET', P .. 'alerts:default', rule)
if rule == '' then
  redis.call('DEL', P .. 'alerts:default_since')
else
  redis.call('SET', P .. 'alerts:default_since', now_ms)
end
for _, kind in ipairs(KINDS) do
  for _, status in ipairs({'active', 'paused'}) do
    for _, id in ipairs(redis.call('ZRANGE', schedule_index(kind, status), 0, -1)) do
      gather('ZADD', P .. 'alerts:due', now_ms, 's:' .. id)
    end
  end
end
flush()
return 1
