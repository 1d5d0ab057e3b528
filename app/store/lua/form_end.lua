-- Ends a change of the form, or that part of it during which nothing else may use the data.
-- ARGV: seen_target, seen_step, step, size
-- step: the first step of the rest, which runs while the data is in use; '' for none · size: how many records it has
-- Does nothing if another process has done this.
local k = P .. 'form'
local target, seen = unpack(redis.call('HMGET', k .. ':work', 'target', 'step'))
if target ~= seen_target or seen ~= seen_step then return end
redis.call('SET', k, target)
if step == '' then
  redis.call('DEL', k .. ':work')
else
  redis.call('HSET', k .. ':work', 'step', step, 'cursor', '', 'done', 0, 'size', size)
end
