#!lua flags=allow-oom
-- Changes fields of a video's record; 0 where the video is gone, 'epoch' where another than the given one holds it.
-- KEYS: video. ARGV: channel, epoch or '', then field, value ...
local head = redis.call('HMGET', KEYS[1], 'commits', 'gone', 'epoch')
if not head[1] or head[2] then
  return 0
end
if ARGV[2] ~= '' and head[3] ~= ARGV[2] then
  return 'epoch'
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('PUBLISH', ARGV[1], head[1])
return 1
