-- Adds what an API process has counted of its requests to the totals.
-- ARGV: process, number, counts…
-- process, number: identify the call, whose number is one higher than that of the process' call before. A call that is sent
-- again because its reply was lost adds nothing · counts: name and number for each counter
-- Returns 1, or 0 if this call was carried out before.
local KEPT_SECONDS = 86400
local k = P .. 'totals:added:' .. process
if tonumber(redis.call('GET', k) or '0') >= tonumber(number) then return 0 end
redis.call('SET', k, number, 'EX', KEPT_SECONDS)
for i = counts, #ARGV, 2 do redis.call('HINCRBY', P .. 'totals:http', ARGV[i], ARGV[i + 1]) end
return 1
