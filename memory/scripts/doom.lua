#!lua flags=allow-oom
-- Notes that a video's deletion has begun; also on a full store, where it makes room.
-- KEYS: the set of videos being deleted. ARGV: video id.
return redis.call('SADD', KEYS[1], ARGV[1])
