/**
 * The three Lua scripts of Feast's layout: rows read; rows written, newest wins; a row put while the stored one still is
 * what was read. Feast itself looks and then writes; here both are one step of the server's.
 *
 * A stored row's order is in our header only while the row's time has our mark and is the header's; a row that Feast
 * wrote since has the lowest order of its event time. Reading (feast-row.ts) follows the same rules.
 */

import { script } from "./redis-script.ts";

/** The most fields that one command of a script names: Lua hands on some 8,000 arguments, and a field and its value are two. */
export const COMMAND_FIELDS_MAX = 3_950;

/**
 * KEYS, or none; ARGV: the number of fields, the fields, the keys that are not declared. Answers one text, as a value of
 * its own for each field would cost this process more than all the rest of a read: msgpack of a list for each key, of
 * its fields' bytes and false; true in place of a list that the server does not serve. See feast-reply.ts.
 */
export const READ_FEAST_ROWS = script(`
local count, pcall = tonumber(ARGV[1]), redis.pcall
local keys, fields, rows = KEYS, {}, {}
if #keys == 0 then keys = {} for i = count + 2, #ARGV do keys[i - count - 1] = ARGV[i] end end
for i = 1, count do fields[i] = ARGV[i + 1] end
for i = 1, #keys do
  local found = pcall('HMGET', keys[i], unpack(fields, 1, math.min(count, ${COMMAND_FIELDS_MAX})))
  for from = ${COMMAND_FIELDS_MAX + 1}, found.err and 0 or count, ${COMMAND_FIELDS_MAX} do
    local more = pcall('HMGET', keys[i], unpack(fields, from, math.min(count, from + ${COMMAND_FIELDS_MAX - 1})))
    for j = 1, #more do found[from - 1 + j] = more[j] end
  end
  rows[i] = found.err and true or found
end
return cmsgpack.pack(rows)`);

/**
 * KEYS, or none; ARGV: the fields of the row's time and of our header, seconds until the key expires or '', the number of
 * features, their fields, the number of rows, header, time and values of each, the keys that are not declared. Of a
 * delete, whose header is nothing but its order, the values are not looked at. Answers as WRITE_ROWS of redis-script.ts
 * does; of two rows of one order the one is newer whose first differing value is longer, or greater byte by byte.
 */
export const WRITE_FEAST_ROWS = script(`
local byte, sub, floor, min, call, pcall = string.byte, string.sub, math.floor, math.min, redis.call, redis.pcall
local time_field, header_field, ttl, width = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local fields = {}
for i = 1, width do fields[i] = ARGV[4 + i] end
local first = 5 + width
local count = tonumber(ARGV[first])
-- The event time of a header's order, in microseconds: see writeInteger of row-order.ts.
local function header_us(header)
  local head = byte(header, 2) or 20
  local us = 0
  if head >= 20 then
    for i = 3, head - 18 do us = us * 256 + (byte(header, i) or 0) end
    return us
  end
  for i = 3, 22 - head do us = us * 256 + 255 - (byte(header, i) or 0) end
  return -us
end
-- A google.protobuf.Timestamp in microseconds; nil for other bytes.
local function time_us(time)
  local at, seconds, nanos = 1, 0, 0
  while at <= #time do
    local head = byte(time, at)
    local value, complement, negative, scale, bytes, x = 0, 0, 0, 1, 0, nil
    repeat
      at, bytes = at + 1, bytes + 1
      x = byte(time, at)
      if not x or bytes > 10 then return nil end
      value = value + x % 128 * scale
      complement = complement + (127 - x % 128) * scale
      scale = scale * 128
      if bytes == 9 then negative = -complement - 1 end
    until x < 128
    at = at + 1
    if bytes == 10 then value = negative end
    if head == 8 then seconds = value elseif head == 16 then nanos = value else return nil end
  end
  local us = seconds * 1000000 + floor(nanos / 1000)
  if nanos < 0 or nanos >= 1e9 or math.abs(us) > 9007199254740991 then return nil end
  return us
end
local function greater(a, b)
  if a == b then return 0 end
  if #a ~= #b then return #a - #b end
  for i = 1, #a do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x - y end
  end
  return 0
end
-- Where what is behind a header's order and the two numbers after it begins; nil for a header that is not whole.
local function remainder_at(header)
  local length = byte(header, 1)
  if not length or length < 5 or #header <= length then return nil end
  local at = length + 2
  if at > #header then return at end
  for _ = 1, 2 do
    while (byte(header, at) or 0) >= 128 do at = at + 1 end
    at = at + 1
  end
  return at <= #header + 1 and at or nil
end
-- The stored header, where it is of the row that is stored.
local function believed(stored, us)
  local time, header = stored[1], stored[2]
  if not header or sub(time, 1, 2) ~= '\\16\\0' then return nil end
  return remainder_at(header) and header_us(header) == us and header or nil
end
local function compare_tied(key, header, stored, at)
  local length, stored_length = byte(header, 1), byte(stored, 1)
  for i = 2, min(length, stored_length) + 1 do
    local x, y = byte(header, i), byte(stored, i) or 0
    if x ~= y then return x - y end
  end
  local is_delete, was_deleted = #header == length + 1, #stored == stored_length + 1
  if was_deleted then return is_delete and 0 or -1 end
  if is_delete then return 1 end
  local values = call('HMGET', key, unpack(fields))
  for i = 1, width do
    local difference = greater(ARGV[at + 2 + i], values[i] or '')
    if difference ~= 0 then return difference end
  end
  return greater(sub(header, remainder_at(header)), sub(stored, remainder_at(stored)))
end
local function newer(key, stored, at)
  if not stored[1] then return 1 end
  local stored_us = time_us(stored[1])
  if not stored_us then return 1 end
  local header = ARGV[at + 1]
  local us = header_us(header)
  if us ~= stored_us then return us - stored_us end
  local stored_header = believed(stored, us)
  if not stored_header then return 1 end
  return compare_tied(key, header, stored_header, at)
end
local outcomes = {}
for i = 1, count do
  local at = first + (i - 1) * (width + 2)
  local key = KEYS[i] or ARGV[first + count * (width + 2) + i]
  local stored = pcall('HMGET', key, time_field, header_field)
  if stored.err then
    if not string.find(stored.err, 'non local key', 1, true) then return stored end
    outcomes[i] = '?'
  else
    local difference = newer(key, stored, at)
    if difference > 0 then
      local header = ARGV[at + 1]
      local written = {header_field, header, time_field, ARGV[at + 2]}
      if #header == byte(header, 1) + 1 then call('HDEL', key, unpack(fields))
      else for j = 1, width do written[3 + 2 * j], written[4 + 2 * j] = fields[j], ARGV[at + 2 + j] end end
      call('HSET', key, unpack(written))
      if ttl ~= '' then call('EXPIRE', key, ttl) end
      outcomes[i] = 'w'
    else
      outcomes[i] = difference == 0 and 'e' or 's'
    end
  end
end
return table.concat(outcomes)`);

/**
 * KEYS: one; ARGV: the number of fields, the fields, for each '1' and the bytes expected or '0' and '' for none,
 * likewise the bytes to set (none deletes), seconds until the key expires or ''. Answers 1 when it did.
 */
export const REPLACE_FIELDS = script(`
local key, count = KEYS[1], tonumber(ARGV[1])
for i = 1, count do
  local stored, at = redis.call('HGET', key, ARGV[1 + i]), count + 2 * i
  if ARGV[at] == '1' then
    if stored ~= ARGV[at + 1] then return 0 end
  elseif stored then return 0 end
end
for i = 1, count do
  local at = 3 * count + 2 * i
  if ARGV[at] == '1' then redis.call('HSET', key, ARGV[1 + i], ARGV[at + 1]) else redis.call('HDEL', key, ARGV[1 + i]) end
end
if ARGV[2 + 5 * count] ~= '' then redis.call('EXPIRE', key, ARGV[2 + 5 * count]) end
return 1`);
