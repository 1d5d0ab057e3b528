-- Ends a bulk at its current position. One that has ended is not changed.
-- ARGV: bulk_id, now_ms
-- Returns the status it had, '' for no such bulk.
local status = redis.call('HGET', bulk_key(bulk_id), 'status')
if status == 'running' then end_bulk(bulk_id, 'aborted', now_ms) end
return status or ''
