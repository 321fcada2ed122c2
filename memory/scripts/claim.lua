-- Hands out the next epoch; 0 where the video is gone.
-- KEYS: video.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'gone')
if not head[1] or head[2] then
  return 0
end
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)
