-- Make a session. ARGV: token, again (1: the ids are the caller's).
local token, again = ARGV[1], ARGV[2] == '1'
local session, is_taken = read()

if is_taken and not again then
  return {'exists'}
end
if session.dead == 'deleted' then
  return {'was-deleted'}
end
if is_live(session) then
  return {session.token == token and 'made' or 'exists'}
end
if is_taken then
  redis.call('DEL', key)
end
redis.call('HSET', key, 'token', token, 'created', int(now), 'active', int(now))
keep_for(now)
return {'made'}
