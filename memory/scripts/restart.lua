-- What a layout cannot go on with: an unfinished video of an older one is begun anew, a live stream ends where it is.
-- KEYS: video, state, open, cubes, keys. ARGV: 'anew' or 'end', layout, channel, then field, value ...
-- Returns 1 where it was done, 0 where the video is gone or of the layout already.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'gone', 'layout', 'commits')
if not head[1] or head[2] or tonumber(head[3] or '1') >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('UNLINK', KEYS[3])
redis.call('HDEL', KEYS[1], 'mark')
if ARGV[1] == 'anew' then
  redis.call('UNLINK', KEYS[2], KEYS[4], KEYS[5])
  redis.call('HSET', KEYS[1], 'next_step', 0, 'cubes', 0, 'bytes_stored', 0, 'ingested_s', 0, 'layout', ARGV[2])
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('PUBLISH', ARGV[3], head[4])
return 1
