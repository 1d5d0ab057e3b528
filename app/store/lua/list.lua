-- Returns one page of tasks, newest first, merged from the indexes that can contain matches.
-- ARGV: before, lowest, limit, budget, chunk, name, is_prefix, tag, schedule_id, kind, task_type, status, from_ms,
--       until_ms, indexes…
-- before: seq (exclusive) · lowest: seq · budget: number of records to examine · chunk: ids read from an index at once
-- is_prefix: 1 or 0 · name, tag, schedule_id, kind, task_type, status, from_ms, until_ms: '' for any
-- Returns {cursor ('' at the end), id, record as a flat list, id, record, …}.
limit, budget, chunk, is_prefix = tonumber(limit), tonumber(budget), tonumber(chunk), is_prefix == '1'
from_ms, until_ms = tonumber(from_ms), tonumber(until_ms)

local sources = {}
local function refill(source)
  local found = redis.call('ZREVRANGEBYSCORE', source.key, '(' .. source.before, lowest,
                           'WITHSCORES', 'LIMIT', 0, chunk)
  source.page, source.at = found, 1
  if #found > 0 then source.before = found[#found] end
  source.last = #found < 2 * chunk
end
for i = indexes, #ARGV do
  local source = {key = ARGV[i], before = before}
  refill(source)
  if #source.page > 0 then sources[#sources + 1] = source end
end

-- Id and seq of the newest task that no source has returned yet.
local function pop()
  local best, best_seq
  for _, source in ipairs(sources) do
    local seq = source.page[source.at + 1]
    if seq and (not best or tonumber(seq) > tonumber(best_seq)) then best, best_seq = source, seq end
  end
  if not best then return nil end
  local id = best.page[best.at]
  best.at = best.at + 2
  if best.at > #best.page and not best.last then refill(best) end
  return id, best_seq
end

local matched = columns('name', 'kind', 'task_type', 'status', 'tags', 'scheduled_task_id', 'created_ms')

local function matches(id)
  local task = row(key(id), matched)
  if not task.kind then return false end
  if kind ~= '' and task.kind ~= kind then return false end
  if task_type ~= '' and task.task_type ~= task_type then return false end
  if status ~= '' and task.status ~= status then return false end
  if from_ms and tonumber(task.created_ms) < from_ms then return false end
  if until_ms and tonumber(task.created_ms) >= until_ms then return false end
  if schedule_id ~= '' and task.scheduled_task_id ~= schedule_id then return false end
  if name ~= '' and not is_named(task.name, name, is_prefix) then return false end
  return tag == '' or has_tag(task.tags, tag)
end

local page, found, looked, last = {''}, 0, 0, nil
while looked < budget do
  local id, seq = pop()
  if not id then return page end
  if found == limit then break end
  last, looked = seq, looked + 1
  if matches(id) then
    found = found + 1
    page[#page + 1] = id
    page[#page + 1] = redis.call('HGETALL', key(id))
  end
end
page[1] = last
return page
