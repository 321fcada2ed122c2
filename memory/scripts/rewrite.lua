-- Puts blobs of a newer layout in the place of older ones, each only where the older one still is.
-- KEYS: video, then a hash of blobs or a blob. ARGV: field or '', old, new ...
-- Returns how many were replaced; -1 where the video is gone.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'gone')
if not head[1] or head[2] then
  return -1
end
local replaced, bytes = 0, 0
for i = 1, #ARGV, 3 do
  if ARGV[i] == '' then
    if redis.call('GET', KEYS[2]) == ARGV[i + 1] then
      redis.call('SET', KEYS[2], ARGV[i + 2])
      replaced = replaced + 1
    end
  elseif redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
    replaced = replaced + 1
    bytes = bytes + #ARGV[i + 2] - #ARGV[i + 1]
  end
end
redis.call('HINCRBY', KEYS[1], 'bytes_stored', bytes)
return replaced
