-- Has leases last on. KEYS: a counter for each lease; ARGV: how long in ms, then the leases' names.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local length = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  -- Not only if it is there: a server that lost its data learns anew what is in progress.
  redis.call('ZADD', key, now + length, ARGV[i + 1])
  redis.call('PEXPIRE', key, length + 1000)
end
return #KEYS
