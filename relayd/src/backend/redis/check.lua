-- Compare a hold, mending what was lost. ARGV: token, role, other role, node, conn, generation, instance, attempt, idle.
local token, role, other, node, conn, generation, instance, attempt, idle = unpack(ARGV)
local session = read()

if session.dead then
  return {'killed', session.dead}
end
if not session.token then
  local active = now - tonumber(idle)
  redis.call('HSET', key, 'token', token, 'created', int(now), 'active', int(active))
  write_holder(role, node, conn, generation, generation, instance, attempt)
  keep_for(active)
  return {'held', '', '', ''}
end
if session.token ~= token then
  -- The id was registered again with another token: the session of this hold is over.
  return {'killed', 'expired'}
end

local ours = tonumber(generation)
local known = session[role .. 'node'] and tonumber(session[role .. 'gen'])
if known and known > ours then
  return {'replaced'}
end
if known ~= ours then
  local top = math.max(tonumber(session[role .. 'top'] or '0'), ours)
  begin_with(role .. 'node')
  write_holder(role, node, conn, generation, int(top), instance, attempt)
end
return {'held', holder(session, other)}
