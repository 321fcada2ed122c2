-- Changes fields of a video's record; 0 where the video is gone.
-- KEYS: video. ARGV: channel, then field, value ...
local head = redis.call('HMGET', KEYS[1], 'commits', 'gone')
if not head[1] or head[2] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PUBLISH', ARGV[1], head[1])
return 1
