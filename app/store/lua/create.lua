-- Creates tasks, all in one step. An id that exists already is left as it is.
-- ARGV: now ms, number of tasks, then each task as `create` of _lib.lua reads it
-- Returns the number of new ones.
local at, new = 3, 0
for _ = 1, tonumber(ARGV[2]) do
  local is_new
  at, is_new = create(ARGV[1], at)
  if is_new then new = new + 1 end
end
return new
