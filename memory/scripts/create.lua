-- Writes a video's record unless the id is taken. A repeated send of the same creation (same number) counts as done.
-- KEYS: video. ARGV: number, then field, value, field, value ...
local number = redis.call('HGET', KEYS[1], 'number')
if number then
  return number == ARGV[1] and 1 or 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
