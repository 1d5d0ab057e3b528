-- One step of a bulk that pauses, resumes or deletes scheduled tasks.
-- ARGV: bulk_id, position, now_ms, action, seen…
-- position: as for `bulk_step` · action: pause, resume or delete
-- seen: for each of the next ids in order: id, revision that was seen, next firing in ms if it is resumed ('' for none)
-- Returns how many ids were settled, 0 if this step was not the next, or if one of them has changed since it was seen.
local number = (#ARGV - seen + 1) / 3
local found = bulk_step(bulk_id, position, number)
if not found then return 0 end

if action == 'resume' then
  for i = seen, #ARGV, 3 do
    if (get(schedule_key(ARGV[i]), 'revision') or '') ~= ARGV[i + 1] then return 0 end
  end
end

local function act(id, next_run_ms)
  if action == 'delete' then return erase_schedule(id) end
  if action == 'pause' then
    local _, status = switch_schedule(id, now_ms, 'active', 'paused', '')
    return status == 'paused'
  end
  local goal = next_run_ms == '' and 'ended' or 'active'
  local before = switch_schedule(id, now_ms, 'paused', goal, next_run_ms)
  return before == 'paused' or before == 'active'
end

local done = 0
for i = seen, #ARGV, 3 do
  if act(ARGV[i], ARGV[i + 2]) then done = done + 1 end
end
advance_bulk(bulk_id, done, number - done, now_ms)
return number
