-- Note activity. ARGV: idle, how long ago it was.
local active = now - tonumber(ARGV[1])
local session = read()

if session.token and (session.is_torn or active > session.active) then
  write_active(session, active)
  keep_for(active)
end
return 1
