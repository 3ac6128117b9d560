-- End a session for all. ARGV: token, empty if none was given.
local token = ARGV[1]
local session = read()

if not is_live(session) or (token ~= '' and session.token ~= token) then
  return {'missing'}
end
bury('deleted')
local node, conn, generation = holder(session, 'w')
return {'gone', node, conn, generation, holder(session, 'p')}
