-- Raises the stored layout to at least a version and gives the store an identity where it has none.
-- KEYS: schema. ARGV: version, identity.
-- Returns the stored version.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version < tonumber(ARGV[1]) then
  version = tonumber(ARGV[1])
  redis.call('HSET', KEYS[1], 'version', version)
end
redis.call('HSETNX', KEYS[1], 'identity', ARGV[2])
return version
