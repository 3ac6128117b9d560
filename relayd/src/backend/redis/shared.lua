-- Stands before every script, after the constants that the server's configuration sets:
-- IDLE, GRACE, TOMBSTONE, TAKEOVERS_MAX, TAKEOVER_WINDOW. All spans and times are milliseconds.
--
-- One key, one hash. A session: token, created, active, and per role (w or p) node, conn, gen, i, n, top and took.
-- A session that ended: dead, which says why; if it was deleted, also node, conn and gen of who held its roles.
-- Redis's own clock is the only one that counts.

local key = KEYS[1]
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)

-- Lua would write large numbers with an exponent.
local function int(value)
  return string.format('%.0f', value)
end

-- A whole number that Lua holds exactly; nil for any other text.
local function number(text)
  if text and #text <= 16 and string.match(text, '^%d+$') and tonumber(text) <= 2 ^ 53 then
    return tonumber(text)
  end
end

local function is_hex(text, length)
  return text and #text == length and not string.match(text, '[^0-9a-f]')
end

-- A connection's name has 64 bits, so it stays text.
local function is_conn(text)
  return text and string.match(text, '^%d+$') and (#text < 20 or (#text == 20 and text <= '18446744073709551615'))
end

-- A role's fields, as far as they can be believed. A holder that is half written is none.
local function believe_role(kept, session, role)
  local node, conn, gen = kept[role .. 'node'], kept[role .. 'conn'], kept[role .. 'gen']
  if is_hex(node, 32) and is_conn(conn) and number(gen) then
    session[role .. 'node'], session[role .. 'conn'], session[role .. 'gen'] = node, conn, gen
    local i, n = kept[role .. 'i'], kept[role .. 'n']
    if i and n and #n == 20 then
      session[role .. 'i'], session[role .. 'n'] = i, n
    end
  end
  session[role .. 'top'] = number(kept[role .. 'top']) or 0
  session[role .. 'took'] = kept[role .. 'took']
end

-- What can be believed of what is kept under the key: a session, what is left of one, or an empty table. Somebody else
-- may have written there, or taken fields away. A session without a token is none: its holder writes it again with the
-- next check. A time that is missing is guessed, and written by the next script that writes. Second result: whether
-- there is a key at all.
local function read()
  local flat = redis.pcall('HGETALL', key)
  if flat.err then
    if string.find(flat.err, 'WRONGTYPE', 1, true) then
      return {}, true
    end
    -- Not this key's fault: raised as Redis says it.
    flat = redis.call('HGETALL', key)
  end
  local kept, session = {}, {}
  for at = 1, #flat, 2 do
    kept[flat[at]] = flat[at + 1]
  end
  if kept.dead == 'deleted' or kept.dead == 'expired' then
    session.dead = kept.dead
  elseif is_hex(kept.token, 64) then
    session.token = kept.token
    local created, active = number(kept.created), number(kept.active)
    session.is_torn = not (created and active)
    session.created, session.active = created or now, active or created or now
    if not created then
      -- They are spans since then.
      kept.wtook, kept.ptook = nil, nil
    end
  else
    return {}, #flat > 0
  end
  believe_role(kept, session, 'w')
  believe_role(kept, session, 'p')
  return session, true
end

local function is_live(session)
  return session.token and session.active + IDLE > now
end

-- Who holds a role: node, conn, generation. Three empty strings: nobody.
local function holder(session, role)
  return session[role .. 'node'] or '', session[role .. 'conn'] or '', session[role .. 'gen'] or ''
end

-- Comes last in a script that keeps a session: a time that is past deletes the key, and a later write would make it without an expiry.
local function keep_for(active)
  redis.call('PEXPIREAT', key, int(active + IDLE + GRACE))
end

-- A Redis that is full refuses a script's first write if it may need memory, and no later one. Open sessions must go
-- on, so their scripts begin by taking away the field that they then write.
local function begin_with(field)
  redis.call('HDEL', key, field)
end

local function write_active(session, active)
  begin_with('active')
  redis.call('HSET', key, 'active', int(active))
  if session.is_torn then
    redis.call('HSET', key, 'created', int(session.created))
  end
end

-- `instance` empty: the holder did not name one.
local function write_holder(role, node, conn, generation, top, instance, attempt)
  redis.call('HSET', key, role .. 'node', node, role .. 'conn', conn, role .. 'gen', generation, role .. 'top', top)
  if instance == '' then
    redis.call('HDEL', key, role .. 'i', role .. 'n')
  else
    redis.call('HSET', key, role .. 'i', instance, role .. 'n', attempt)
  end
end

-- Puts a tombstone in the session's place.
local function bury(reason)
  redis.call('DEL', key)
  redis.call('HSET', key, 'dead', reason)
  redis.call('PEXPIRE', key, TOMBSTONE)
end
