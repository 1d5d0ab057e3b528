-- Creates tasks, all in one step. An id that exists already is left as it is.
-- ARGV: now ms, the conditions (3) as `admit` of _lib.lua reads them, number of tasks, then each task as `read_task` reads it
-- Returns the number of new ones, or what `admit` says where nothing was created.
local now, number = ARGV[1], tonumber(ARGV[5])
local refused = admit(2, number, ARGV[6])
if refused then return refused end
local seq, at, new = take_seqs(now, number), 6, 0
for i = 0, number - 1 do
  local task
  task, at = read_task(at)
  if create(now, seq + i, unpack(task)) then new = new + 1 end
end
flush()
return new
