-- Removes a scheduled task. Tasks that it created remain.
-- ARGV: schedule_id, call
-- call: identifies this call; a call that is sent again because its reply was lost gets the same answer
-- Returns 1, or 0 if there was none.
if answer_of(call) then return 1 end
if not erase_schedule(schedule_id) then return 0 end
remember_answer(call, '1')
return 1
