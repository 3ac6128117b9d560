-- Call every command that the other scripts call, on a key that is not there: {} where all of them are allowed and this
-- Redis takes writes and has room; else the first that is refused, and how. Nothing is changed, so that Redis has nothing
-- to save, to log or to replicate for it. No ARGV. Stands alone.
local key = KEYS[1]
local calls = {
  {'TIME'},
  -- The first write: a Redis that is full refuses only that. With a value missing it is refused for that, but only once
  -- nothing else is wrong.
  {'HSET', key, 'token', '', 'created'},
  {'PEXPIREAT', key, '9999999999999'},
  {'PEXPIRE', key, '60000'},
  {'HGETALL', key},
  {'HDEL', key, 'none'},
  -- Takes away what the rehearsal of the other scripts left.
  {'DEL', key},
}
for _, call in ipairs(calls) do
  local said = redis.pcall(unpack(call))
  if type(said) == 'table' and said.err and not string.find(said.err, 'wrong number of arguments', 1, true) then
    redis.pcall('DEL', key)
    return {call[1], said.err}
  end
end
return {}
