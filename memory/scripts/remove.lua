-- Ends a deletion: everything of the video at once.
-- KEYS: all keys of the video. ARGV: channel.
redis.call('UNLINK', unpack(KEYS))
redis.call('PUBLISH', ARGV[1], 'deleted')
return 1
