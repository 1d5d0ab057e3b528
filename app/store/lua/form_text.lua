-- Replaces a text if it is still as it was seen.
-- ARGV: text_key, seen, text
if redis.call('GET', text_key) == seen then redis.call('SET', text_key, text, 'KEEPTTL') end
