#!lua flags=allow-oom
-- Begins a deletion: from now on no claim, commit or read finds the video. 0 where nothing is left of it.
-- KEYS: video.
if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'gone', '1')
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
return 1
