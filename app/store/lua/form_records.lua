-- Brings records of tasks or scheduled tasks from form 1 to form 2.
-- ARGV: records…
-- records: for each the key, its body of form 1 as it was seen, and JSON of the form `Change` in
--   app/store/migrations/bodies.py
-- A record that is gone, or has another body by now, is left alone: who changed that has written it in form 2.
for i = records, #ARGV, 3 do
  local k, seen, change = ARGV[i], ARGV[i + 1], cjson.decode(ARGV[i + 2])
  local own = read(k, 'kind', 'body', 'program', 'program_hash')
  local is_old = own.kind and not (own.body or own.program or own.program_hash)
  if is_old and redis.call('GET', k .. ':spec') == seen then
    put_body(k, change.beside)
    hold_program(change.fields, change.program)
    if #change.fields > 0 then redis.call('HSET', k, unpack(change.fields)) end
    for _, renamed in ipairs(change.renamed) do
      local value = redis.call('HGET', k, renamed[1])
      if value then
        if redis.call('HEXISTS', k, renamed[2]) == 0 then redis.call('HSET', k, renamed[2], value) end
        redis.call('HDEL', k, renamed[1])
      end
    end
    if #change.removed > 0 then redis.call('HDEL', k, unpack(change.removed)) end
    for _, suffix in ipairs(change.keys_removed) do redis.call('DEL', k .. suffix) end
  end
end
