-- One page of tasks, newest first, merged from the indexes that can hold matches.
-- ARGV: seq before which (exclusive), lowest seq, limit, records that may be looked at, chunk,
--       name, name as a prefix (1 or 0), tag, schedule id, kind, type, status ('' each: any),
--       created from ms on, created before ms ('' each: any), number of indexes, then their keys
-- Returns {cursor ('' at the end), id, record as a flat list, id, record, …}.
local before, lowest = ARGV[1], ARGV[2]
local limit, budget, chunk = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local name, is_prefix, tag, schedule = ARGV[6], ARGV[7] == '1', ARGV[8], ARGV[9]
local kind, task_type, status = ARGV[10], ARGV[11], ARGV[12]
local from_ms, until_ms = tonumber(ARGV[13]), tonumber(ARGV[14])

local sources = {}
local function refill(source)
  local found = redis.call('ZREVRANGEBYSCORE', source.key, '(' .. source.before, lowest,
                           'WITHSCORES', 'LIMIT', 0, chunk)
  source.page, source.at = found, 1
  if #found > 0 then source.before = found[#found] end
  source.last = #found < 2 * chunk
end
for i = 16, 15 + tonumber(ARGV[15]) do
  local source = {key = ARGV[i], before = before}
  refill(source)
  if #source.page > 0 then sources[#sources + 1] = source end
end

-- The newest task that no source has given yet: its id and seq.
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

local function matches(id)
  local r = redis.call('HMGET', key(id), 'n', 'k', 'tt', 'st', 'tg', 'sid', 'cr')
  if not r[2] then return false end
  if kind ~= '' and r[2] ~= kind then return false end
  if task_type ~= '' and r[3] ~= task_type then return false end
  if status ~= '' and r[4] ~= status then return false end
  if from_ms and tonumber(r[7]) < from_ms then return false end
  if until_ms and tonumber(r[7]) >= until_ms then return false end
  if schedule ~= '' and r[6] ~= schedule then return false end
  if name ~= '' then
    if is_prefix then
      if string.sub(r[1], 1, #name) ~= name then return false end
    elseif r[1] ~= name then
      return false
    end
  end
  if tag ~= '' then
    if not r[5] then return false end
    for _, own in ipairs(cjson.decode(r[5])) do
      if own == tag then return true end
    end
    return false
  end
  return true
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
