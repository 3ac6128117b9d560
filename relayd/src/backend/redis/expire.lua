-- End a session whose time is over. No ARGV.
local session = read()

if not session.token then
  return {'over', session.dead or 'expired', '', '', '', '', '', ''}
end
if is_live(session) then
  return {'alive', int(session.active + IDLE - now)}
end
bury('expired')
local node, conn, generation = holder(session, 'w')
return {'over', 'expired', node, conn, generation, holder(session, 'p')}
