-- Give a role back. ARGV: role, generation. Its top stays, so that no generation is given twice.
local role, generation = ARGV[1], ARGV[2]
if redis.call('HGET', key, role .. 'gen') == generation then
  redis.call('HDEL', key, role .. 'node', role .. 'conn', role .. 'gen', role .. 'i', role .. 'n')
end
return 1
