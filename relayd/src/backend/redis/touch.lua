-- Note activity. ARGV: idle, how long ago it was.
local active = now - tonumber(ARGV[1])
local known = redis.call('HGET', key, 'active')
if known and active > tonumber(known) then
  begin_with('active')
  redis.call('HSET', key, 'active', int(active))
  keep_for(active)
end
return 1
