-- Writes what a round of alert work made of events and time, unless another process was faster.
-- ARGV: seen_revision, now_ms, plan
-- seen_revision: `alerts:revision` as the round read it · plan: JSON object:
--   events: ids of events that are done with · schedules, flows, service: field -> JSON, '' removes it
--   seen: schedule id -> its revision as the round read it; one that was changed since is looked at again
--   due: member -> ms, '' removes it · late: ids of tasks that were looked at · deliveries: for each notice, the fields
--   that add_delivery takes
-- Returns 1, or 0 if another process was faster.
if (redis.call('GET', P .. 'alerts:revision') or '0') ~= seen_revision then return 0 end
redis.call('INCR', P .. 'alerts:revision')
local asked = cjson.decode(plan)

local function put(k, values)
  for field, text in pairs(values) do
    if text == '' then redis.call('HDEL', k, field) else redis.call('HSET', k, field, text) end
  end
end

for _, event_id in ipairs(asked.events) do redis.call('XDEL', P .. 'alerts:events', event_id) end
for schedule_id, revision in pairs(asked.seen) do
  if get(schedule_key(schedule_id), 'revision') ~= revision then asked.due['s:' .. schedule_id] = now_ms end
end
for schedule_id, text in pairs(asked.schedules) do  -- one that was deleted meanwhile leaves nothing behind
  local is_there = redis.call('EXISTS', schedule_key(schedule_id)) == 1
  put(P .. 'alerts:schedules', {[schedule_id] = is_there and text or ''})
  if not is_there then asked.due['s:' .. schedule_id] = '' end
end
put(P .. 'alerts:flows', asked.flows)
put(P .. 'alerts:service', asked.service)
for member, ms in pairs(asked.due) do
  if ms == '' then redis.call('ZREM', P .. 'alerts:due', member) else redis.call('ZADD', P .. 'alerts:due', ms, member) end
end
for _, task_id in ipairs(asked.late) do redis.call('ZREM', P .. 'alerts:late', task_id) end
for _, fields in ipairs(asked.deliveries) do add_delivery(fields, now_ms) end
return 1
