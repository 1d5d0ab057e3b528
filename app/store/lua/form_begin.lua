-- Begins to change the form of the data. From here on the scripts of all versions refuse, until `form_end`.
-- ARGV: before, during, target, step, size, now_ms
-- before, during: the form as it was seen, and what it is until `form_end` · step, size: the first step (app/store/migrations) and how many records it has
-- Does nothing if the form is another by now.
local k = P .. 'form'
if redis.call('GET', k) ~= before then return end
redis.call('SET', k, during)
redis.call('DEL', k .. ':work')
redis.call('HSET', k .. ':work', 'target', target, 'step', step, 'cursor', '', 'done', 0, 'size', size, 'began_ms', now_ms,
           'last_seq', redis.call('GET', P .. 'seq') or '0')
