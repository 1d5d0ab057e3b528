-- One page of tasks, merged from the indexes that can hold matches.
-- ARGV: order, start, stop, limit, budget, asked
-- order: 'newest' or 'oldest' first · start: seq (exclusive) · stop: seq at which the walk ends, inclusive
-- budget: most records that are compared with the filters. To look for a task in another index is a third of that work
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
local INDEXES_TESTED = 3  -- a filter with more indexes is tested by the records
local BATCH = 100  -- tasks that are tested together
local NAMES_FEW, NAMES_TOGETHER = 100, 200
local RANGE, SIGN = 'ZREVRANGEBYSCORE', -1
if order == 'oldest' then RANGE, SIGN = 'ZRANGEBYSCORE', 1 end
local FIRST_SEQ = tonumber(start == '+inf' and math.huge or start == '-inf' and -math.huge or start)

-- Those of some indexes that hold anything.
local function filled(keys)
  local found = {}
  for _, k in ipairs(keys) do
    if redis.call('EXISTS', k) == 1 then found[#found + 1] = k end
  end
  return found
end

-- --- the names that match ------------------------------------------------------------------------------

local NAMES, NEWEST = P .. 'names', P .. 'newest'
local FIRST_NAME, LAST_NAME = '[' .. (asked.name or ''), '(' .. (asked.name or '') .. '\255'

-- Whether a name matches. The search for the text alone refutes most names in the shortest time.
local find, text, match = string.find, asked.name, asked.match
local function fits(name) return find(name, text, 1, true) and (match == 'part' or is_named(name, text, match)) end

-- All names that match, in the order of their bytes; nil where too many must be read or match.
local function matching_names()
  if asked.match == 'prefix' then
    local most = asked.by_finish and math.min(asked.names_matched, budget) or asked.names_matched  -- else of no use
    if redis.call('ZLEXCOUNT', NAMES, FIRST_NAME, LAST_NAME) > most then return nil end
    return redis.call('ZRANGEBYLEX', NAMES, FIRST_NAME, LAST_NAME)
  end
  if redis.call('ZCARD', NAMES) > NAMES_READ then return nil end
  local names = {}
  for _, name in ipairs(redis.call('ZRANGE', NAMES, 0, -1)) do
    if fits(name) then names[#names + 1] = name end
  end
  return #names <= asked.names_matched and names or nil
end

-- Whether the matching names are better read one by one, in the order of their newest tasks: where that is the order of
-- the page, no other filter may be narrower, and the names are neither few nor too many.
local function is_read_by_newest()
  if order ~= 'newest' or asked.by_finish or #asked.checks > 0 or #asked.groups > 1 then return false end
  if redis.call('ZCARD', NAMES) > NAMES_READ then return false end
  return asked.match ~= 'prefix' or redis.call('ZLEXCOUNT', NAMES, FIRST_NAME, LAST_NAME) > NAMES_FEW
end

-- The index of each of these names and the newest seq that it may hold, the newest first: a function that gives the next
-- two; nil at the end.
local function sorted_by_newest(names)
  local seqs, name_of, at_once = {}, {}, {}
  for first = 1, #names, 1000 do
    for i, seq in ipairs(redis.call('ZMSCORE', NEWEST, unpack(names, first, math.min(first + 999, #names)))) do
      local number, name = tonumber(seq or nil), names[first + i - 1]
      if number and not name_of[number] then
        seqs[#seqs + 1] = number
        name_of[number] = name
      else
        at_once[#at_once + 1] = name
      end
    end
  end
  table.sort(seqs)
  return function()
    local name = table.remove(at_once)
    if name then return P .. 'name:' .. name, math.huge end
    local seq = table.remove(seqs)
    if seq then return P .. 'name:' .. name_of[seq], seq end
  end
end

-- The same for all names that match, which are read as far as they are needed.
local function read_by_newest()
  local names, seqs, at, rank = {}, {}, 1, 0
  local function read_on()
    local all = redis.call('ZREVRANGE', NEWEST, rank, rank + NAMES_TOGETHER - 1)
    names, at, rank = {}, 1, rank + NAMES_TOGETHER
    for _, name in ipairs(all) do
      if fits(name) then names[#names + 1] = name end
    end
    if #names > 0 then seqs = redis.call('ZMSCORE', NEWEST, unpack(names)) end
    return #all > 0
  end
  return function()
    while at > #names do
      if not read_on() then return nil end
    end
    at = at + 1
    return P .. 'name:' .. names[at - 1], tonumber(seqs[at - 1])
  end
end

-- Makes the indexes of names readable: `keys` must be read at once, since they may have tasks before the start. Then
-- `later_key` with `later_seq` is the next one, whose turn comes at that seq, and `following` gives those after it. False
-- where too many must be read at once: then the group has no keys, or it would seem empty.
local function prepare(group)
  if group.keys then return true end
  if order == 'oldest' or asked.by_finish then
    if #group.names > asked.names_begun and not asked.by_finish then return false end
    group.keys = {}
    for i, name in ipairs(group.names) do group.keys[i] = P .. 'name:' .. name end
    return true
  end
  local keys, following = {}, group.names and sorted_by_newest(group.names) or read_by_newest()
  local k, seq = following()
  while k and seq >= FIRST_SEQ do
    if #keys == asked.names_begun then return false end
    keys[#keys + 1] = k
    k, seq = following()
  end
  group.keys, group.following = keys, following
  group.later_key, group.later_seq = k, seq
  return true
end

-- --- the indexes to read ---------------------------------------------------------------------------

local function named_group()
  if asked.match == 'exact' then return {keys = {P .. 'name:' .. asked.name}, covers = {'name'}} end
  if is_read_by_newest() then return {covers = {'name'}} end
  local names = matching_names()
  return names and {names = names, covers = {'name'}}
end

-- About how many tasks a group holds: of many indexes, judged by some of them.
local function size_of(group)
  local all = group.keys or group.names
  if not all then return 0 end
  local size, judged, start_of = 0, 0, group.keys and '' or P .. 'name:'
  for i = 1, #all, math.max(1, math.floor(#all / 40)) do
    size, judged = size + redis.call('ZCARD', start_of .. all[i]), judged + 1
  end
  return size / math.max(1, judged) * #all
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
    local size = #groups == 1 and 0 or size_of(group)
    if not best or size < least then best, least = group, size end
  end
  return best
end

local leaves, named = asked.groups[1], asked.name and named_group()
local others = {unpack(asked.groups)}  -- without names, which may turn out to be too many
if named then table.insert(asked.groups, named) end
local group
if asked.by_finish then
  -- Only the leaves are in the order of finishes. A small one of the other groups is read whole, and sorted.
  group = narrowest({unpack(asked.groups, 2)})
  if group and prepare(group) and holds_at_most(group.keys, budget) then group.is_sorted_here = true else group = leaves end
else
  group = narrowest(asked.groups)
  if not prepare(group) then group = narrowest(others) end
end

-- --- whether a task matches ------------------------------------------------------------------------

local covered = {}  -- the fields that indexes decide
local function cover(group)
  for _, name in ipairs(group.covers) do covered[name] = true end
end
cover(group)
if group.is_sorted_here then cover(leaves) end

-- Whether a filter asks for something that the leaves decide.
local function are_leaves_asked()
  for _, name in ipairs(leaves.covers) do
    for i = 1, #asked.checks, 2 do
      if asked.checks[i] == name and not covered[name] then return true end
    end
  end
  return false
end

-- Of each filter with few indexes: those that hold anything. A task must be in one of each.
local tested, tests = {}, 0
for _, other in ipairs(asked.groups) do
  if other ~= group and other.keys and not other.names and (other ~= leaves or are_leaves_asked()) then
    local keys = filled(other.keys)
    if #keys == 0 then return {''} end
    if #keys <= INDEXES_TESTED then
      tested[#tested + 1] = keys
      tests = tests + #keys
      cover(other)
    end
  end
end

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

-- Whether the record of a task has what no index has decided.
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

-- Which of some ids are in one of these indexes: their places, and the ids again.
local function in_one_of(keys, ids, places)
  local kept, kept_places = {}, {}
  for _, k in ipairs(keys) do
    if #ids == 0 then break end
    local scores, rest, rest_places = redis.call('ZMSCORE', k, unpack(ids)), {}, {}
    for i = 1, #ids do
      if scores[i] then
        kept[#kept + 1], kept_places[#kept + 1] = ids[i], places[i]
      else
        rest[#rest + 1], rest_places[#rest + 1] = ids[i], places[i]
      end
    end
    ids, places = rest, rest_places
  end
  return kept, kept_places
end

-- place -> true for those of some ids that pass the tests.
local function passing(ids)
  local places, passes = {}, {}
  for i = 1, #ids do places[i] = i end
  for _, keys in ipairs(tested) do ids, places = in_one_of(keys, ids, places) end
  for _, place in ipairs(places) do passes[place] = true end
  return passes
end

-- --- the merge: a heap of the indexes, by the rank of the task that each gives next ------------------

local heap, size = {}, 0
local CHUNK = group.following and 1 or math.ceil(2 * limit / math.max(1, #group.keys))

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

local function push(source)
  size = size + 1
  local at, parent = size, math.floor(size / 2)
  while parent > 0 and heap[parent].rank > source.rank do
    heap[at], at, parent = heap[parent], parent, math.floor(parent / 2)
  end
  heap[at] = source
end

local function open(k)
  local source = {key = k, start = start, chunk = CHUNK}
  if refill(source) then push(source) end
end

-- The finished tasks of some indexes that come after the start and are in the leaves, in the order of their finishes.
local function finished_of(keys)
  local entries, page = {}, {}
  for _, k in ipairs(keys) do
    local ids = redis.call('ZRANGE', k, 0, -1)
    for _, leaf in ipairs(filled(leaves.keys)) do
      if #ids == 0 then break end
      local scores, rest = redis.call('ZMSCORE', leaf, unpack(ids)), {}
      for i, id in ipairs(ids) do
        local seq = scores[i]
        if not seq then
          rest[#rest + 1] = id
        elseif tonumber(seq) < FIRST_SEQ then
          entries[#entries + 1] = {id, seq, tonumber(seq)}
        end
      end
      ids = rest
    end
  end
  table.sort(entries, function(a, b) return a[3] > b[3] end)
  for i, entry in ipairs(entries) do page[2 * i - 1], page[2 * i] = entry[1], entry[2] end
  return page
end

if group.is_sorted_here then
  local page = finished_of(group.keys)
  if #page > 0 then push({page = page, at = 1, rank = SIGN * tonumber(page[2])}) end
else
  for _, k in ipairs(group.keys) do open(k) end
end

-- Takes the next task: its id and seq; nil at the end.
local function pop()
  while group.later_key and (size == 0 or SIGN * group.later_seq <= heap[1].rank) do
    open(group.later_key)
    group.later_key, group.later_seq = group.following()
  end
  if size == 0 then return nil end
  local source = heap[1]
  local id, seq = source.page[source.at], source.page[source.at + 1]
  source.at = source.at + 2
  if source.page[source.at] then
    source.rank = SIGN * tonumber(source.page[source.at + 1])
  elseif not refill(source) then
    heap[1], heap[size] = heap[size], nil
    size = size - 1
  end
  if size > 1 then sift_down(1) end
  return id, seq
end

-- The next tasks, at most `number`: their ids, and their seqs.
local function take(number)
  local ids, seqs = {}, {}
  while #ids < number do
    local id, seq = pop()
    if not id then break end
    ids[#ids + 1], seqs[#seqs + 1] = id, seq
  end
  return ids, seqs
end

-- --- the walk --------------------------------------------------------------------------------------

local TEST, RECORD = 1, 3  -- what it takes to look for a task in an index, and to read its record
local each, allowed, spent = tests * TEST, budget * RECORD, 0
local page, found, last = {''}, 0, nil
while true do
  local ids, seqs = take((#tested > 0 or #fields > 0) and BATCH or limit - found + 1)
  if #ids == 0 then return page end
  local passes = passing(ids)
  for i, id in ipairs(ids) do
    if found == limit or spent >= allowed then
      page[1] = last
      return page
    end
    last, spent = seqs[i], spent + each
    if passes[i] then
      if #fields > 0 then spent = spent + RECORD end
      if matches(id) then
        found = found + 1
        page[#page + 1] = id
        page[#page + 1] = redis.call('HGETALL', key(id))
      end
    end
  end
end
