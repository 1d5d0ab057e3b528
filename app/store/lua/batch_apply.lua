-- Creates the tasks of the next chunk of a batch that is decided.
-- ARGV: batch_id
-- Returns the number of chunks that are left, 0 where there is no such batch.
local k = batch_key(batch_id)
local now_ms, seq, chunk, chunks = unpack(redis.call('HMGET', k, 'now_ms', 'seq', 'next', 'chunks'))
if not now_ms then return 0 end
local list = k .. ':' .. chunk
local values = redis.call('LRANGE', list, 0, -1)
local number = #values / #TASK_VALUES
for i = 0, number - 1 do create(task_in(values, 1 + i * #TASK_VALUES), now_ms, tonumber(seq) + i) end
flush()
redis.call('UNLINK', list)
if redis.call('DECRBY', P .. 'promised', number) == 0 then redis.call('DEL', P .. 'promised') end
if chunk + 1 < tonumber(chunks) then
  redis.call('HSET', k, 'seq', whole(tonumber(seq) + number), 'next', chunk + 1)
else
  redis.call('DEL', k)
  redis.call('ZREM', P .. 'batches', batch_id)
end
return chunks - chunk - 1
