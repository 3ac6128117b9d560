-- Give a role back. ARGV: role, generation. Its top stays, so that no generation is given twice.
local role, generation = ARGV[1], ARGV[2]
local known, dead = unpack(redis.call('HMGET', key, role .. 'gen', 'dead'))
if known == generation and not dead then
  redis.call('HDEL', key, role .. 'node', role .. 'conn', role .. 'gen', role .. 'i', role .. 'n')
end
return 1
