-- Sets the names of the tags by whose values tasks are counted.
-- ARGV: tags
-- tags: each name surrounded by commas; ',' for none
redis.call('SET', P .. 'totals:tags', tags)
