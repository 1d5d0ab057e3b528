-- Creates the tasks of the next chunk of a batch that is decided.
-- ARGV: batch_id
-- Returns the number of chunks that are left, 0 where there is no such batch.
local k = batch_key(batch_id)
local now_ms, seq, chunk, chunks = unpack(redis.call('HMGET', k, 'now_ms', 'seq', 'next', 'chunks'))
if not now_ms then return 0 end

-- The values in a chunk. A NUL stands between them.
local function values_of(text)
  local values, from = {}, 1
  while true do
    local at = string.find(text, '\0', from, true)
    if not at then
      values[#values + 1] = string.sub(text, from)
      return values
    end
    values[#values + 1] = string.sub(text, from, at - 1)
    from = at + 1
  end
end

-- The folded name of a task, which the chunk leaves out if it contains a NUL.
local function folded_name_of(record)
  local name
  for i = 1, #record, 2 do
    if record[i] == F.folded_name then return record[i + 1] end
    if record[i] == F.name then name = record[i + 1] end
  end
  return name
end

local function task_of(values, place)
  local task = task_in(values, place)
  if task.folded_name == '' then task.folded_name = folded_name_of(task.record) end
  return task
end

local staged = k .. ':' .. chunk
local values = values_of(redis.call('GET', staged))
local number = #values / #TASK_VALUES
for i = 0, number - 1 do create(task_of(values, 1 + i * #TASK_VALUES), now_ms, tonumber(seq) + i) end
flush()
redis.call('UNLINK', staged)
if redis.call('DECRBY', P .. 'promised', number) == 0 then redis.call('DEL', P .. 'promised') end
if chunk + 1 < tonumber(chunks) then
  redis.call('HSET', k, 'seq', whole(tonumber(seq) + number), 'next', chunk + 1)
else
  redis.call('DEL', k)
  redis.call('ZREM', P .. 'batches', batch_id)
end
return chunks - chunk - 1
