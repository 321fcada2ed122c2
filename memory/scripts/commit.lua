-- One commit, all or nothing: every check comes before the first write. A commit that is sent again because its answer
-- was lost is known by its mark, and answered without being applied a second time.
-- KEYS: video, state, open, cubes, keys.
-- ARGV: epoch, expected step, channel, state or '', next step, next ordinal, open cube or '', mark,
--       then record field count and field, value ..., then ordinal, cube, keyed span for each closed cube.
-- Returns the commit number, or why it is refused.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'next_step', 'cubes', 'gone', 'mark', 'commits')
if not head[1] or head[4] then
  return 'deleted'
end
if head[1] ~= ARGV[1] then
  return 'epoch'
end
if head[5] == ARGV[8] then
  return tonumber(head[6])
end
if head[2] ~= ARGV[2] then
  return 'step'
end

local first_field = 10
local first_cube = first_field + 2 * tonumber(ARGV[9])
local ordinal = tonumber(head[3])
for i = first_cube, #ARGV, 3 do
  if tonumber(ARGV[i]) ~= ordinal then
    return 'ordinal'
  end
  ordinal = ordinal + 1
end
if ARGV[4] ~= '' and tonumber(ARGV[6]) ~= ordinal then
  return 'ordinal'
end

local bytes = 0
for i = first_cube, #ARGV, 3 do
  redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 2])
  bytes = bytes + #ARGV[i + 1] + #ARGV[i + 2]
end
if ARGV[4] ~= '' then
  redis.call('SET', KEYS[2], ARGV[4])
  redis.call('HSET', KEYS[1], 'next_step', ARGV[5])
end
if ARGV[7] ~= '' then
  redis.call('SET', KEYS[3], ARGV[7])
else
  redis.call('DEL', KEYS[3])
end
for i = first_field, first_cube - 1, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'cubes', ordinal, 'mark', ARGV[8], 'watched_s', redis.call('TIME')[1])
redis.call('HINCRBY', KEYS[1], 'bytes_stored', bytes)
local number = redis.call('HINCRBY', KEYS[1], 'commits', 1)
redis.call('PUBLISH', ARGV[3], number)
return number
