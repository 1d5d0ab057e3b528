-- Reads tasks without their results, output, attempts and histories.
-- ARGV: ids…
-- Returns {programs as a flat list: hash, source, …; then of each task: record as a flat list ({} for no such task), the
-- body that is kept beside it ('' for none), the hash of its program ('' for none)}. Tasks share programs.
local programs, seen, found = {}, {}, {}
for i = ids, #ARGV do
  local k = key(ARGV[i])
  local own = read(k, 'body', 'program_hash')
  found[#found + 1] = redis.call('HGETALL', k)
  found[#found + 1] = not own.body and redis.call('GET', k .. ':spec') or ''
  found[#found + 1] = own.program_hash or ''
  if own.program_hash and not seen[own.program_hash] then
    seen[own.program_hash] = true
    programs[#programs + 1] = own.program_hash
    programs[#programs + 1] = redis.call('HGET', program_key(own.program_hash), 'text') or ''
  end
end
return {programs, unpack(found)}
