-- Starts, or keeps up, the recording of status changes for event streams.
-- Returns {ms of Redis's clock since which every change has been recorded, id of the newest recorded change ('' for
-- none), id of the oldest recorded change if older ones may have been removed ('' if none were)}.
local since = redis.call('GET', P .. 'events:since')
if not since then
  local time = redis.call('TIME')
  since = whole(time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('DEL', P .. 'events')
  -- An empty stream whose last id is the position before all changes: the first change gets a greater id, even in the
  -- same millisecond or if Redis's clock is set back.
  redis.call('XADD', P .. 'events', 'MAXLEN', 0, since .. '-0', 'event', '')
end
redis.call('SET', P .. 'events:since', since, 'EX', EVENTS_SECONDS)
redis.call('EXPIRE', P .. 'events', EVENTS_SECONDS)
local newest = redis.call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)[1]
local oldest = redis.call('XLEN', P .. 'events') >= EVENTS_KEPT and redis.call('XRANGE', P .. 'events', '-', '+', 'COUNT', 1)[1]
return {since, newest and newest[1] or '', oldest and oldest[1] or ''}
