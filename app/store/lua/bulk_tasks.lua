-- One step of a bulk that stops or deletes tasks.
-- ARGV: bulk_id, position, number, now_ms, action, actor
-- position: as for `bulk_step` · number: at most so many tasks · action: stop or delete
-- A stop of a running task is only requested. A running task that is to be deleted is removed at once, and its worker is told
-- to end the attempt. A task with a callback is stopped before it is deleted.
-- Returns how many ids were settled, 0 if this step was not the next.
local function delete(id)
  local task = read(key(id), 'status', 'inbox', 'callback_url')
  if not task.status then return false end
  if task.status == 'running' or (task.callback_url and not FINISHED[task.status]) then
    stop(id, now_ms, true, actor, STOP_REQUESTED)
  end
  erase(id)
  notify(id, 'deleted', task.inbox)
  return true
end

local function act(id)
  if action == 'delete' then return delete(id) end
  local before = stop(id, now_ms, false, actor, STOP_REQUESTED)
  return before ~= '' and not FINISHED[before]
end

local found = bulk_step(bulk_id, position, number)
if not found then return 0 end
local done = 0
for _, id in ipairs(found) do
  if act(id) then done = done + 1 end
end
advance_bulk(bulk_id, done, #found - done, now_ms)
return #found
