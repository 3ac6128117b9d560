-- End a session for all. ARGV: token, empty if none was given.
local token = ARGV[1]
local session = read()

if session.dead == 'deleted' then
  local node, conn, generation = holder(session, 'w')
  return {'before', node, conn, generation, holder(session, 'p')}
end
if not is_live(session) or (token ~= '' and session.token ~= token) then
  return {'missing'}
end
bury('deleted')
-- Kept for whoever deletes it again: an answer may be lost, and with it the word to those who hold a role.
for _, role in ipairs({'w', 'p'}) do
  if session[role .. 'node'] then
    local node, conn, generation = holder(session, role)
    redis.call('HSET', key, role .. 'node', node, role .. 'conn', conn, role .. 'gen', generation)
  end
end
local node, conn, generation = holder(session, 'w')
return {'gone', node, conn, generation, holder(session, 'p')}
