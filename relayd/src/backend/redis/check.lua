-- Compare a hold, mending what was lost. ARGV: token, role, other role, node, conn, generation, instance, attempt, idle.
local token, role, other, node, conn, generation, instance, attempt, idle = unpack(ARGV)
local session, is_taken = read()

if session.dead then
  return {'killed', session.dead}
end
local active = now - tonumber(idle)
if not session.token then
  if is_taken then
    -- Something that can't be read, or that somebody else wrote.
    redis.call('DEL', key)
  end
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
local known = session[role .. 'node'] and number(session[role .. 'gen'])
if known and known > ours then
  return {'replaced'}
end
if known ~= ours then
  local top = math.max(session[role .. 'top'], ours)
  begin_with(role .. 'node')
  write_holder(role, node, conn, generation, int(top), instance, attempt)
end
if session.is_torn or active > session.active then
  write_active(session, active)
  keep_for(active)
end
return {'held', holder(session, other)}
