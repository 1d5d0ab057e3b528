-- A sign of life, and an end to what was said too long ago.
-- ARGV: ZSET key, name, now ms, silent since ms: to be forgotten, STRING key ('' for none), its text, ms it is kept
redis.call('ZADD', ARGV[1], ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', ARGV[1], '-inf', ARGV[4])
if ARGV[5] ~= '' then redis.call('SET', ARGV[5], ARGV[6], 'PX', ARGV[7]) end
