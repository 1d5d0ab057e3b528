-- Removes messages in front of their lists whose tasks are over, which stop and delete leave there.
-- ARGV: limit, lists…
-- limit: remove so many at most
-- Returns the number of removed messages.
local removed = 0
for i = lists, #ARGV do
  while removed < tonumber(limit) do
    local text = redis.call('LINDEX', ARGV[i], -1)
    local id = text and task_in_message(text)
    if not id or not is_over(get(key(id), 'status')) then break end
    redis.call('RPOP', ARGV[i])
    removed = removed + 1
  end
end
return removed
