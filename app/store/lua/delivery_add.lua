-- Creates a delivery (`add_delivery` of _lib.lua).
-- ARGV: fields, now_ms
-- fields: JSON object
-- Returns its id.
return add_delivery(cjson.decode(fields), now_ms)
