-- Asks counters, and charges all of them or none; or tells them what is known afterwards. The arithmetic is that of
-- rules/src/meter, to the millisecond: a test has both answer the same.
--
-- KEYS: one counter for each item. ARGV: the time in ms, or '' for the server's; then for each item
--   kind    w window, b bucket, c concurrent, l lock
--   what    a ask; f failure, s success, t late
--   cost    units
--   max, window, penalty  |  max, window, burst  |  max, lease, -  |  after, first, most
--   name    of the lease
-- Answers four numbers for each ask: whether it is admitted, what remains, until when, when to try again.

local JITTER, EXACT, FEW, RUNS = 1000, 128, 7, 256
local FORGOTTEN = 86400000
local UNKNOWN = 1000

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local max, min, floor = math.max, math.min, math.floor

-- The time that counts, and whether the clock went back.
local function settle(latest)
  if now >= latest then return now, false end
  if latest - now <= JITTER then return latest, false end
  return now, true
end

local function ceil_div(a, b)
  return floor((a + b - 1) / b)
end

-- ---------------------------------------------------------------- a sliding window

local window = {}

-- 'E': each unit by itself; 'R': runs. `t` are the times, `c` how many at each.
function window.load(text, key)
  local s = { key = key, mode = 'E', latest = 0, til = 0, began = 0, t = {}, c = {}, n = 0, count = 0 }
  if not text or not (text:sub(1, 1) == 'E' or text:sub(1, 1) == 'R') then return s end
  local at
  s.mode, s.latest, s.til, s.began, at = struct.unpack('>c1I6I6I6', text)
  local exact = s.mode == 'E'
  local width = exact and 6 or 10
  local n = floor((#text - at + 1) / width)
  for first = 1, n, 100 do
    local some = min(100, n - first + 1)
    local values = { struct.unpack('>' .. string.rep(exact and 'I6' or 'I6I4', some), text, at) }
    at = at + some * width
    for i = 1, some do
      s.t[first + i - 1] = exact and values[i] or values[2 * i - 1]
      local count = exact and 1 or values[2 * i]
      s.c[first + i - 1] = count
      s.count = s.count + count
    end
  end
  s.n = n
  return s
end

function window.drop(s, gone)
  if gone == 0 then return end
  local t, c = {}, {}
  for i = gone + 1, s.n do
    t[i - gone], c[i - gone] = s.t[i], s.c[i]
  end
  s.t, s.c, s.n = t, c, s.n - gone
end

function window.settle(s, p)
  local time, back = settle(s.latest)
  if back then
    s.til, s.dirty = min(s.til, time + max(s.til - s.latest, 0)), true
  end
  local gone = 0
  while gone < s.n and s.t[gone + 1] + p.window <= time do
    gone = gone + 1
    s.count = s.count - s.c[gone]
  end
  window.drop(s, gone)
  if back then
    for i = 1, s.n do s.t[i] = min(s.t[i], time) end
    s.began = min(s.began, time)
  end
  if s.n == 0 then s.mode = 'E' end
  s.latest = time
end

-- The end of the penalty; before all times if there is none.
function window.released(s)
  return s.latest <= s.til and s.til + 1 or 0
end

function window.full_at(s, p)
  local empty = s.n > 0 and s.t[s.n] + p.window or 0
  return max(empty, window.released(s))
end

function window.standing(s, p)
  local remaining = window.released(s) > 0 and 0 or max(p.max - s.count, 0)
  return remaining, max(window.full_at(s, p) - s.latest, 0)
end

function window.room_at(s, p, cost)
  if cost > p.max then return s.latest + p.window end
  local leaving, sum = s.count - (p.max - cost), 0
  if leaving <= 0 then return 0 end
  for i = 1, s.n do
    sum = sum + s.c[i]
    if sum >= leaving then return s.t[i] + p.window end
  end
  return 0
end

function window.ask(s, p, cost)
  local punished = window.released(s) > 0
  if s.count + cost <= p.max and not punished then return 0 end
  if not punished and p.penalty > 0 then
    s.til, s.dirty = s.latest + p.penalty, true
  end
  local free = max(window.room_at(s, p, cost), window.released(s))
  return max(free - s.latest, 1)
end

function window.push(s, time, cost)
  s.n = s.n + 1
  s.t[s.n], s.c[s.n], s.count = time, cost, s.count + cost
end

function window.exact(s)
  local t, c, n = {}, {}, 0
  for i = 1, s.n do
    for _ = 1, s.c[i] do
      n = n + 1
      t[n], c[n] = s.t[i], 1
    end
  end
  s.mode, s.t, s.c, s.n = 'E', t, c, n
end

-- Drops the oldest of more than `most`.
function window.trim(s, most)
  local over, gone = s.count - most, 0
  if over <= 0 then return end
  s.count = most
  while over > 0 do
    local part = min(over, s.c[gone + 1])
    over, s.c[gone + 1] = over - part, s.c[gone + 1] - part
    if s.c[gone + 1] == 0 then gone = gone + 1 end
  end
  window.drop(s, gone)
end

function window.add(s, p, cost)
  local most = p.max + 1
  cost = min(cost, most)
  if cost == 0 then return end
  s.dirty = true
  if p.max <= EXACT or (s.mode == 'E' and s.n + cost <= FEW) then
    if s.mode == 'R' then
      window.trim(s, most)
      window.exact(s)
    end
    for _ = 1, cost do window.push(s, s.latest, 1) end
  else
    if s.mode == 'E' then
      s.mode, s.began = 'R', s.t[s.n] or 0
    end
    if s.n > 0 and s.latest - s.began < floor(p.window / RUNS) then
      s.t[s.n], s.c[s.n], s.count = s.latest, s.c[s.n] + cost, s.count + cost
    else
      s.began = s.latest
      window.push(s, s.latest, cost)
    end
  end
  window.trim(s, most)
end

function window.charge(s, p, cost)
  window.add(s, p, cost)
end

function window.note(s, p, what)
  if what ~= 't' then return end
  window.add(s, p, 1)
  if p.penalty > 0 and window.released(s) == 0 and s.count > p.max then
    s.til = s.latest + p.penalty
  end
end

function window.save(s, p)
  local parts = { struct.pack('>c1I6I6I6', s.mode, s.latest, max(s.til, 0), max(s.began, 0)) }
  for i = 1, s.n do
    if s.mode == 'E' then
      parts[i + 1] = struct.pack('>I6', s.t[i])
    else
      parts[i + 1] = struct.pack('>I6I4', s.t[i], s.c[i])
    end
  end
  return table.concat(parts), window.full_at(s, p)
end

-- ---------------------------------------------------------------- a token bucket

local bucket = {}

function bucket.load(text, key)
  local s = { key = key, latest = 0, level = 0, unit = 1 }
  if text and text:sub(1, 1) == 'B' then
    local _
    _, s.latest, s.level, s.unit = struct.unpack('>c1I6I8I4', text)
  end
  return s
end

function bucket.settle(s, p)
  if s.unit ~= p.window then
    s.level, s.unit = floor(s.level * p.window / max(s.unit, 1)), p.window
  end
  local time, back = settle(s.latest)
  s.dirty = s.dirty or back
  s.level = max(s.level - max(time - s.latest, 0) * p.max, 0)
  s.latest = time
end

function bucket.ask(s, p, cost)
  local over = s.level + cost * s.unit - p.burst * s.unit
  if over <= 0 and p.max > 0 then return 0 end
  if cost > p.burst or p.max == 0 then return s.unit end
  return max(ceil_div(over, p.max), 1)
end

function bucket.charge(s, p, cost)
  if cost == 0 then return end
  s.level, s.dirty = min(s.level + cost * s.unit, (p.burst + 1) * s.unit), true
end

function bucket.note(s, p, what)
  if what == 't' then bucket.charge(s, p, 1) end
end

function bucket.standing(s, p)
  return floor(max(p.burst * s.unit - s.level, 0) / s.unit), ceil_div(s.level, max(p.max, 1))
end

function bucket.save(s, p)
  return struct.pack('>c1I6I8I4', 'B', s.latest, s.level, s.unit), s.latest + ceil_div(s.level, max(p.max, 1))
end

-- ---------------------------------------------------------------- places at the same time

local places = {}

function places.load(_, key)
  return { key = key, places = true }
end

function places.settle(s)
  if s.count then return end
  redis.call('ZREMRANGEBYSCORE', s.key, '-inf', now)
  s.count = redis.call('ZCARD', s.key)
end

function places.ask(s, p, cost)
  return s.count + cost <= p.max and 0 or UNKNOWN
end

function places.charge(s, p, cost, name)
  if cost == 0 then return end
  for i = 1, cost do
    redis.call('ZADD', s.key, now + p.window, name .. ':' .. i)
  end
  redis.call('PEXPIRE', s.key, p.window + 1000)
  s.count = s.count + cost
end

function places.note() end

function places.standing(s, p)
  return max(p.max - s.count, 0), 0
end

-- ---------------------------------------------------------------- failures and locks

local lock = {}

function lock.load(text, key)
  local s = { key = key, latest = 0, last = 0, til = 0, failures = 0, locks = 0 }
  if text and text:sub(1, 1) == 'L' then
    local _
    _, s.latest, s.last, s.til, s.failures, s.locks = struct.unpack('>c1I6I6I6I4I1', text)
  end
  return s
end

function lock.length(p, nth)
  return min(p.first * 2 ^ (nth - 1), max(p.most, p.first))
end

function lock.forgotten_at(s, p)
  if s.locks > 0 then return max(s.last, s.til) + FORGOTTEN end
  return s.last + p.first
end

function lock.settle(s, p)
  local time, back = settle(s.latest)
  s.latest = time
  if back then
    s.last, s.dirty = min(s.last, time), true
    s.til = min(s.til, time + (s.locks > 0 and lock.length(p, s.locks) or p.most))
  end
  if time >= lock.forgotten_at(s, p) then s.failures, s.locks = 0, 0 end
end

function lock.ask(s)
  return max(s.til - s.latest, 0)
end

function lock.charge() end

function lock.note(s, p, what)
  if what == 's' then
    if s.failures > 0 or s.locks > 0 then s.failures, s.locks, s.dirty = 0, 0, true end
  elseif what == 'f' then
    s.last, s.dirty = s.latest, true
    if s.latest < s.til then return end
    s.failures = s.failures + 1
    if s.locks > 0 or s.failures >= p.max then
      s.locks = min(s.locks + 1, 255)
      s.til = s.latest + lock.length(p, s.locks)
      s.failures = 0
    end
  end
end

function lock.standing(s, p)
  local locked = max(s.til - s.latest, 0)
  if locked > 0 then return 0, locked end
  if s.locks > 0 then return 1, max(lock.forgotten_at(s, p) - s.latest, 0) end
  local reset = s.failures > 0 and max(lock.forgotten_at(s, p) - s.latest, 0) or 0
  return max(p.max - s.failures, 0), reset
end

function lock.save(s, p)
  local clean = s.failures == 0 and s.locks == 0
  local full_at = max(clean and 0 or lock.forgotten_at(s, p), s.til)
  return struct.pack('>c1I6I6I6I4I1', 'L', s.latest, s.last, s.til, s.failures, s.locks), full_at
end

-- ---------------------------------------------------------------- all of them

local kinds = { w = window, b = bucket, c = places, l = lock }
local states, items = {}, {}

for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 7
  local p = { max = tonumber(ARGV[at + 3]), window = tonumber(ARGV[at + 4]), penalty = tonumber(ARGV[at + 5]) }
  p.burst, p.first, p.most = p.penalty, p.window, p.penalty
  local kind = kinds[ARGV[at]]
  local state = states[key]
  if not state or state.kind ~= kind then
    local text = kind ~= places and redis.call('GET', key)
    state = kind.load(text, key)
    state.kind, state.p, state.asked = kind, p, 0
    states[key] = state
  end
  items[i] = { kind = kind, what = ARGV[at + 1], cost = tonumber(ARGV[at + 2]), p = p, state = state, name = ARGV[at + 6] }
end

local answers, refused = {}, false
for i, item in ipairs(items) do
  local s, p = item.state, item.p
  item.kind.settle(s, p)
  if item.what == 'a' then
    -- What the earlier asks of the same counter cost counts too.
    s.asked = s.asked + item.cost
    item.retry = item.kind.ask(s, p, s.asked)
    item.remaining, item.reset = item.kind.standing(s, p)
    refused = refused or item.retry > 0
  else
    item.kind.note(s, p, item.what)
  end
end

for _, item in ipairs(items) do
  if item.what == 'a' then
    if not refused and item.cost > 0 then
      item.kind.charge(item.state, item.p, item.cost, item.name)
      item.remaining, item.reset = item.kind.standing(item.state, item.p)
    end
    answers[#answers + 1] = item.retry > 0 and 0 or 1
    answers[#answers + 1] = item.remaining
    answers[#answers + 1] = item.reset
    answers[#answers + 1] = item.retry
  end
end

for key, s in pairs(states) do
  if s.dirty then
    local text, full_at = s.kind.save(s, s.p)
    local left = full_at - now
    if left > 0 then
      redis.call('SET', key, text, 'PX', string.format('%.0f', left + JITTER))
    else
      redis.call('DEL', key)
    end
  end
end

return answers
