-- Records that a part of a step is done, and perhaps begins the next step.
-- ARGV: seen_target, seen_step, seen_cursor, step, cursor, done, size
-- seen_…: the progress before · done, size: how many records of `step` are done, and how many it has
-- Does nothing if another process has recorded this.
local k = P .. 'form:work'
local target, seen, at = unpack(redis.call('HMGET', k, 'target', 'step', 'cursor'))
if target ~= seen_target or seen ~= seen_step or at ~= seen_cursor then return end
redis.call('HSET', k, 'step', step, 'cursor', cursor, 'done', done, 'size', size)
