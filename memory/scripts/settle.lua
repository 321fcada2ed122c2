-- Says that a video is of a layout, and gives it the fields that the layout adds where it lacks them.
-- KEYS: video. ARGV: layout, then field, value ...
-- Returns 0 where the video is gone.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'gone')
if not head[1] or head[2] then
  return 0
end
for i = 2, #ARGV, 2 do
  redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'layout', ARGV[1])
return 1
