-- Creates tasks, all in one step. An id that exists already is left as it is.
-- ARGV: now ms, the terms (3) as `admit` of _lib.lua reads them, number of tasks, then each task as `create` reads it
-- Returns the number of new ones, or what `admit` says where nothing was created.
local refused = admit(2, tonumber(ARGV[5]))
if refused then return refused end
local at, new = 6, 0
for _ = 1, tonumber(ARGV[5]) do
  local is_new
  at, is_new = create(ARGV[1], at)
  if is_new then new = new + 1 end
end
return new
