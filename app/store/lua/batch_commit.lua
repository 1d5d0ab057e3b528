-- Decides that the tasks of a staged batch are created: from here on `batch_apply` creates them, whoever calls it.
-- ARGV: now_ms, request_key, request_value, most_waiting, batch_id, first_id, number, chunks
-- request_key, request_value, most_waiting: see `admit` · first_id: the first of its tasks · number: how many tasks
-- chunks: how many chunks batch:ID:N there are, from 0
-- Returns 1, 'missing' where some of them are gone, or what `admit` says; in both cases nothing is created.
local k = batch_key(batch_id)
-- It has decided before, and its reply was lost: recovery has created none, some or all of the tasks since.
if redis.call('EXISTS', k, key(first_id)) > 0 then return 1 end
for i = 0, chunks - 1 do
  if redis.call('EXISTS', k .. ':' .. i) == 0 then return 'missing' end
end
local refused = admit(request_key, request_value, most_waiting, tonumber(number), first_id)
if refused then
  for i = 0, chunks - 1 do redis.call('UNLINK', k .. ':' .. i) end
  return refused
end
for i = 0, chunks - 1 do redis.call('PERSIST', k .. ':' .. i) end
redis.call('HSET', k, 'now_ms', now_ms, 'seq', whole(take_seqs(now_ms, number)), 'next', 0, 'chunks', chunks)
redis.call('ZADD', P .. 'batches', now_ms, batch_id)
redis.call('INCRBY', P .. 'promised', number)
return 1
