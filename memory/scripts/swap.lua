#!lua flags=allow-oom
-- Hands a content identity from one video to another, or frees it; 0 where somebody else holds it.
-- KEYS: content. ARGV: identity, from, to or ''.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
