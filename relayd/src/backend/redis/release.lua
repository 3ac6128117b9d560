-- Give a role back. ARGV: role, generation. Its top stays, so that no generation is given twice.
local role, generation = ARGV[1], ARGV[2]
local session = read()

if session.token and session[role .. 'gen'] == generation then
  redis.call('HDEL', key, role .. 'node', role .. 'conn', role .. 'gen', role .. 'i', role .. 'n')
end
return 1
