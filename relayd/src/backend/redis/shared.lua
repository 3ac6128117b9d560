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
local function int(number)
  return string.format('%.0f', number)
end

-- The hash as a table; empty where there is no key.
local function read()
  local flat = redis.call('HGETALL', key)
  local session = {}
  for at = 1, #flat, 2 do
    session[flat[at]] = flat[at + 1]
  end
  return session
end

local function is_live(session)
  return session.token and tonumber(session.active) + IDLE > now
end

-- Who holds a role: node, conn, generation. Three empty strings: nobody.
local function holder(session, role)
  return session[role .. 'node'] or '', session[role .. 'conn'] or '', session[role .. 'gen'] or ''
end

-- Comes last in a script: a time that is past deletes the key, and a later write would make it without an expiry.
local function keep_for(active)
  redis.call('PEXPIREAT', key, int(active + IDLE + GRACE))
end

-- A Redis that is full refuses a script's first write if it may need memory, and no later one. Open sessions must go
-- on, so their scripts begin by taking away the field that they then write.
local function begin_with(field)
  redis.call('HDEL', key, field)
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
