-- A sign of life, and an end to what was said too long ago, or by a clock that was set back since.
-- ARGV: ZSET key, name, now ms, to be forgotten: before ms, after ms, STRING key ('' for none), its text, ms it is kept
redis.call('ZADD', ARGV[1], ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', ARGV[1], '-inf', ARGV[4])
redis.call('ZREMRANGEBYSCORE', ARGV[1], ARGV[5], '+inf')
if ARGV[6] ~= '' then redis.call('SET', ARGV[6], ARGV[7], 'PX', ARGV[8]) end
