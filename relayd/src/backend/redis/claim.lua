-- Take a role. ARGV: token, role, other role, node, conn, instance, attempt (20 digits, so that text compares as numbers).
local token, role, other, node, conn, instance, attempt = unpack(ARGV)
local session = read()

if not is_live(session) or session.token ~= token then
  return {'unauthorized'}
end

local is_held = session[role .. 'node'] ~= nil
local is_same = is_held and instance ~= '' and session[role .. 'i'] == instance
if is_same and attempt < session[role .. 'n'] then
  return {'straggler'}
end

-- Kept as spans since the session's creation: five of them stay below what Redis stores compactly.
local created = session.created
local took = {}
if is_held then
  for span in string.gmatch(session[role .. 'took'] or '', '[^,]+') do
    if #span <= 16 and string.match(span, '^%-?%d+$') then
      took[#took + 1] = span
    end
  end
  while #took > TAKEOVERS_MAX do
    table.remove(took, 1)
  end
  if #took == TAKEOVERS_MAX then
    local first = created + tonumber(took[1])
    -- One that lies ahead was noted before the clock was set back: for that nobody has to wait.
    if first <= now and first + TAKEOVER_WINDOW > now then
      return {'too-many'}
    end
    table.remove(took, 1)
  end
  took[#took + 1] = int(now - created)
end

local generation = int(math.max(session[role .. 'top'] + 1, now_us))
local active = math.max(session.active, now)
write_active(session, active)
if is_held then
  redis.call('HSET', key, role .. 'took', table.concat(took, ','))
end
write_holder(role, node, conn, generation, generation, instance, attempt)
keep_for(active)

local old_node, old_conn, old_generation = holder(session, role)
return {'granted', generation, is_same and '1' or '0', old_node, old_conn, old_generation, holder(session, other)}
