-- Stops a task: at once where it waits or is queued; where it runs, the wish is stored and the workers are told.
-- With force the record of a running one is ended too (its worker did not answer; what it says later is refused).
-- ARGV: id, now ms, force (1 or 0)
-- Returns {status before, '' for no such task; status now}.
local id, now = ARGV[1], ARGV[2]
local status = redis.call('HGET', key(id), 'st')
if not status then return {'', ''} end
if status == 'waiting' or status == 'queued' or (status == 'running' and ARGV[3] == '1') then
  finish(id, 'stopped', now)
  if status == 'running' then redis.call('PUBLISH', P .. 'stop', id) end
  return {status, 'stopped'}
end
if status == 'running' then
  redis.call('HSET', key(id), 'stop', now)
  redis.call('PUBLISH', P .. 'stop', id)
end
return {status, status}
