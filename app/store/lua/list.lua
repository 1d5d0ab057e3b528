-- One page of tasks, merged from the indexes that can hold matches.
-- ARGV: order, start, stop, limit, budget, asked
-- order: 'newest' or 'oldest' first · start: seq (exclusive) · stop: seq at which the walk ends, inclusive
-- budget: most records that are compared with the filters
-- asked: one JSON object:
--   groups: of each index that holds every match, or set of such: keys, covers (short names of the fields that they
--   decide) · checks: short name and value, in turn · name, match: see `is_named` · tag · from_ms, until_ms: of creation
--   names_matched: of more names that match, the tasks are compared one by one; so too where more than names_begun of
--   them have tasks before the start
--   by_finish: the newest finish comes first; the first group has the seqs of finishes as its scores
--   name, tag, from_ms and until_ms may be left out.
-- Returns {cursor ('' at the end), id, record as a flat list, id, record, …}.
limit, budget, asked = tonumber(limit), tonumber(budget), cjson.decode(asked)
local NAMES_READ = 10000  -- names that are compared with a suffix or part
local RANGE, SIGN = 'ZREVRANGEBYSCORE', -1
if order == 'oldest' then RANGE, SIGN = 'ZRANGEBYSCORE', 1 end

-- --- the indexes to read ---------------------------------------------------------------------------

-- All names with the prefix; nil for too many.
local function names_with_prefix()
  local names = redis.call('ZRANGEBYLEX', P .. 'names', '[' .. asked.name, '(' .. asked.name .. '\255',
                           'LIMIT', 0, asked.names_matched + 1)
  if #names > asked.names_matched then return nil end
  return names
end

-- All names that match a suffix or part; nil where too many must be read or match.
local function names_with_part()
  if redis.call('ZCARD', P .. 'names') > NAMES_READ then return nil end
  local names = {}
  for _, name in ipairs(redis.call('ZRANGE', P .. 'names', 0, -1)) do
    if is_named(name, asked.name, asked.match) then
      if #names == asked.names_matched then return nil end
      names[#names + 1] = name
    end
  end
  return names
end

-- The indexes of these names. Of those whose tasks are all older than the start, `bounds` says where they begin at the
-- latest, so that they need not be read before their turn comes. Nil where too many have to be read at once.
local function group_of_names(names)
  local group, begun = {keys = {}, bounds = {}, covers = {'name'}}, 0
  local first_seq = start == '+inf' and math.huge or tonumber(start)
  for first = 1, #names, 1000 do
    local newest = redis.call('HMGET', P .. 'newest', unpack(names, first, math.min(first + 999, #names)))
    for i, seq in ipairs(newest) do
      local place = first + i - 1
      group.keys[place] = P .. 'name:' .. names[place]
      if order == 'newest' and seq and tonumber(seq) < first_seq then
        group.bounds[place] = tonumber(seq)
      else
        begun = begun + 1
      end
    end
  end
  if begun > asked.names_begun then return nil end
  return group
end

local function named_group()
  if asked.match == 'exact' then return {keys = {P .. 'name:' .. asked.name}, bounds = {}, covers = {'name'}} end
  local names
  if asked.match == 'prefix' then names = names_with_prefix() else names = names_with_part() end
  return names and group_of_names(names)
end

-- How many tasks the indexes hold: of many indexes, judged by some of them.
local function size_of(keys)
  local size, step = 0, math.max(1, math.ceil(#keys / 50))
  for i = 1, #keys, step do size = size + redis.call('ZCARD', keys[i]) end
  return size * step
end

local function holds_at_most(keys, most)
  if #keys > most then return false end
  local size = 0
  for _, k in ipairs(keys) do
    size = size + redis.call('ZCARD', k)
    if size > most then return false end
  end
  return true
end

-- The smallest of the groups: all of them hold every match.
local function narrowest(groups)
  local best, least
  for _, group in ipairs(groups) do
    local size = #groups == 1 and 0 or size_of(group.keys)
    if not best or size < least then best, least = group, size end
  end
  return best
end

local named = asked.name and named_group()
if named then table.insert(asked.groups, named) end
local group, covered = nil, {}
if asked.by_finish then
  -- Only the first group is in the order of finishes. A small one of the others is read whole, and sorted.
  local first = table.remove(asked.groups, 1)
  group = narrowest(asked.groups)
  if group and holds_at_most(group.keys, budget) then group.is_sorted_here = true else group = first end
else
  group = narrowest(asked.groups)
end
for _, name in ipairs(group.covers) do covered[name] = true end

-- --- whether a task matches ------------------------------------------------------------------------

local fields, values = {}, {}  -- those with one right value come first
for i = 1, #asked.checks, 2 do
  if not covered[asked.checks[i]] then
    fields[#fields + 1] = asked.checks[i]
    values[#values + 1] = asked.checks[i + 1]
  end
end
local function place_of(short)
  fields[#fields + 1] = short
  return #fields
end
local created = (asked.from_ms or asked.until_ms) and place_of(F.created_ms)
local seq_place = created and place_of(F.seq)
local tags = asked.tag and not covered[F.tags] and place_of(F.tags)
local name = asked.name and not covered.name and place_of(F.name)
local folded_name = name and place_of(F.folded_name)

local function matches(id)
  if #fields == 0 then return true end
  local found = redis.call('HMGET', key(id), unpack(fields))
  for i, value in ipairs(values) do
    if found[i] ~= value then return false end
  end
  if created then
    local created_ms = tonumber(found[created] or math.floor(found[seq_place] / SEQ_PER_MS))
    if asked.from_ms and created_ms < asked.from_ms then return false end
    if asked.until_ms and created_ms >= asked.until_ms then return false end
  end
  if name and not is_named(found[folded_name] or found[name], asked.name, asked.match) then return false end
  return not tags or has_tag(found[tags], asked.tag)
end

-- --- the merge: a heap of the indexes, by the rank of the task that each gives next ------------------

local heap, size = {}, 0
local CHUNK = math.ceil(2 * limit / math.max(1, #group.keys))

-- Reads on in an index; false at its end.
local function refill(source)
  if not source.key then return false end
  local found = redis.call(RANGE, source.key, '(' .. source.start, stop, 'WITHSCORES', 'LIMIT', 0, source.chunk)
  if #found == 0 then return false end
  source.page, source.at, source.start = found, 1, found[#found]
  source.rank = SIGN * tonumber(found[2])
  source.chunk = math.min(2 * source.chunk, 200)  -- what gives many is read in larger pieces
  return true
end

local function sift_down(at)
  local source = heap[at]
  while 2 * at <= size do
    local child = 2 * at
    if child < size and heap[child + 1].rank < heap[child].rank then child = child + 1 end
    if heap[child].rank >= source.rank then break end
    heap[at], at = heap[child], child
  end
  heap[at] = source
end

-- The finished tasks of some indexes that come after the start, with the seqs of their finishes, in this order.
local function finished_of(keys)
  local first_seq, entries, page = start == '+inf' and math.huge or tonumber(start), {}, {}
  for _, k in ipairs(keys) do
    for _, id in ipairs(redis.call('ZRANGE', k, 0, -1)) do
      local task = read(key(id), 'kind', 'task_type', 'status')
      local seq = redis.call('ZSCORE', finished_index(task.kind, task.task_type, task.status), id)
      if seq and tonumber(seq) < first_seq then entries[#entries + 1] = {id, seq, tonumber(seq)} end
    end
  end
  table.sort(entries, function(a, b) return a[3] > b[3] end)
  for i, entry in ipairs(entries) do page[2 * i - 1], page[2 * i] = entry[1], entry[2] end
  return page
end

if group.is_sorted_here then
  local page = finished_of(group.keys)
  if #page > 0 then heap[1], size = {page = page, at = 1, rank = SIGN * tonumber(page[2])}, 1 end
  group.keys = {}
end
for i, k in ipairs(group.keys) do
  local source, bound = {key = k, start = start, chunk = CHUNK}, group.bounds and group.bounds[i]
  if bound then source.rank = SIGN * bound end
  if bound or refill(source) then
    size = size + 1
    heap[size] = source
  end
end
for at = math.floor(size / 2), 1, -1 do sift_down(at) end

-- Reads on in the first index of the heap, or takes it out at its end.
local function advance()
  if not refill(heap[1]) then
    heap[1], heap[size] = heap[size], nil
    size = size - 1
  end
  if size > 0 then sift_down(1) end
end

-- Takes the next task: its id and seq; nil at the end.
local function pop()
  while size > 0 and not heap[1].page do advance() end  -- it is known so far where it begins at the latest
  if size == 0 then return nil end
  local source = heap[1]
  local id, seq = source.page[source.at], source.page[source.at + 1]
  source.at = source.at + 2
  if source.page[source.at] then
    source.rank = SIGN * tonumber(source.page[source.at + 1])
    sift_down(1)
  else
    advance()
  end
  return id, seq
end

local page, found, looked, last = {''}, 0, 0, nil
while true do
  local id, seq = pop()
  if not id then return page end
  if found == limit or looked == budget then break end
  last, looked = seq, looked + 1
  if matches(id) then
    found = found + 1
    page[#page + 1] = id
    page[#page + 1] = redis.call('HGETALL', key(id))
  end
end
page[1] = last
return page
