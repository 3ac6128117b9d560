-- Call every command that the other scripts call, on a key that is gone afterwards: {} where all of them are allowed
-- and this Redis takes writes and has room; else the first that is refused, and how. No ARGV. Stands alone.
local key = KEYS[1]
local calls = {
  {'TIME'},
  -- The first write: a Redis that is full refuses only that.
  {'HSET', key, 'token', ''},
  {'PEXPIREAT', key, '9999999999999'},
  {'PEXPIRE', key, '60000'},
  {'HGETALL', key},
  {'HDEL', key, 'none'},
  {'DEL', key},
}
for _, call in ipairs(calls) do
  local said = redis.pcall(unpack(call))
  if type(said) == 'table' and said.err then
    redis.pcall('DEL', key)
    return {call[1], said.err}
  end
end
return {}
