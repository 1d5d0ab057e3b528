-- Returns one page of the scheduled tasks that fire again, the earliest next firing first.
-- ARGV: after_ms, after_id, limit, budget, kind, name, match, tag, last_outcome
-- after_ms, after_id: next firing and id of the last one on the page before, '' for the first page
-- budget: maximum number of records to examine · kind: '' for any
-- name, match, tag, last_outcome: see `is_schedule_listed`
-- Returns {next firing and id to go on from ('' at the end), id, record as a flat list, id, …}.
limit, budget = tonumber(limit), tonumber(budget)
local CRON = P .. 'cron'

-- The rank of the first one after the page before. Redis orders those that fire in the same millisecond by their ids.
local rank, last = 0, 0
if after_ms ~= '' then
  rank, last = redis.call('ZCOUNT', CRON, '-inf', '(' .. after_ms), redis.call('ZCOUNT', CRON, '-inf', after_ms)
end
while rank < last do
  local middle = math.floor((rank + last) / 2)
  if redis.call('ZRANGE', CRON, middle, middle)[1] > after_id then last = middle else rank = middle + 1 end
end

local entries = redis.call('ZRANGE', CRON, rank, rank + budget - 1, 'WITHSCORES')
local page, found, ms, id = {'', ''}, 0, '', ''
for i = 1, #entries, 2 do
  if found == limit then
    page[1], page[2] = ms, id
    return page
  end
  id, ms = entries[i], entries[i + 1]
  local k = schedule_key(id)
  local schedule = read(k, 'kind', 'name', 'folded_name', 'tags', 'last_outcome')
  if (kind == '' or schedule.kind == kind) and is_schedule_listed(schedule, name, match, tag, last_outcome) then
    found = found + 1
    page[#page + 1] = id
    page[#page + 1] = redis.call('HGETALL', k)
  end
end
if #entries == 2 * budget then page[1], page[2] = ms, id end
return page
