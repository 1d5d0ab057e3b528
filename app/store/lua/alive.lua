-- Records a heartbeat, and removes heartbeats that are too old or from before the clock was set back.
-- ARGV: index_key, name, now_ms, before_ms, after_ms, facts_key, facts, kept_ms
-- before_ms, after_ms: heartbeats up to before_ms, and from after_ms on, are removed · facts_key: '' for none
redis.call('ZADD', index_key, now_ms, name)
redis.call('ZREMRANGEBYSCORE', index_key, '-inf', before_ms)
redis.call('ZREMRANGEBYSCORE', index_key, after_ms, '+inf')
if facts_key ~= '' then redis.call('SET', facts_key, facts, 'PX', kept_ms) end
