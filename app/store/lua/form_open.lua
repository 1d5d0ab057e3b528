-- Reads the form of the data (app/domain/form.py). Data that has none gets one: an empty Redis that of the caller, and
-- data from before there were numbers the form in which its names are kept.
-- ARGV: own
-- own: the form of the caller
-- Returns the form as it is stored.
local k = P .. 'form'
local found = redis.call('GET', k)
if found then return found end
local kept = redis.call('TYPE', P .. 'newest').ok
if kept == 'hash' or (kept == 'none' and redis.call('EXISTS', P .. 'seq') == 1) then
  found = '1'  -- without tasks, data of form 2 looks the same: changing it again changes nothing
elseif kept == 'zset' then
  found = '2'
else
  found = own
end
redis.call('SET', k, found)
return found
