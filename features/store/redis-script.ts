/**
 * The three Lua scripts that run inside Redis: rows read, rows written newest-wins, one field compared and set. Each is
 * sent by its hash, and loaded where a server does not know it (any more).
 *
 * Orders are compared byte by byte: Lua's `<` on strings goes by the server's locale. Keys are declared where one
 * server holds all of them. In a cluster one call serves keys of many slots of a node, which cannot be declared; there
 * Redis checks at every access that the slot is the node's own, and a row whose slot is not comes back unserved
 * (an error in its place, or "?"), to be sent by itself to where it belongs.
 */

import { createHash } from "node:crypto";
import { Command } from "ioredis";
import { isUnknownScript } from "./redis-failure.ts";

/** A script and the SHA-1 of its text, by which a server knows it. */
export interface RedisScript {
  readonly lua: string;
  readonly sha: string;
}

/** An argument of a command: a text of one character a byte, or bytes. */
export type Argument = string | Uint8Array;

/** What sends commands to one server. */
export interface CommandSender {
  send(command: Command): Promise<unknown>;
}

/** A script by its text. */
export const script = (lua: string): RedisScript =>
  Object.freeze({ lua, sha: createHash("sha1").update(lua).digest("hex") });

/** How long a row past its expiry is kept at least, ms: expiry collects garbage, and PEXPIREAT in the past deletes all of a key's rows. */
const LEAST_LIFE_MS = 60_000;

/**
 * KEYS, or none; ARGV: the number of fields, the fields, the keys that are not declared. Answers key by key the row of
 * each field: bytes, nil, or an error.
 */
export const READ_ROWS = script(`
local pcall = redis.pcall
local field_count = tonumber(ARGV[1])
local keys = KEYS
if #keys == 0 then keys = {} for i = field_count + 2, #ARGV do keys[i - field_count - 1] = ARGV[i] end end
local rows = {}
if field_count == 1 then
  local field = ARGV[2]
  for i = 1, #keys do rows[i] = pcall('HGET', keys[i], field) end
  return rows
end
local fields, n = {}, 0
for i = 1, field_count do fields[i] = ARGV[i + 1] end
for i = 1, #keys do
  local found = pcall('HMGET', keys[i], unpack(fields))
  for j = 1, field_count do
    n = n + 1
    if found.err then rows[n] = found else rows[n] = found[j] end
  end
end
return rows`);

/**
 * Sets the expiry of a key: the latest of its rows', never shortened, never in the past; '' keeps it for ever. Rows of a
 * load mostly have one expiry, so the last one is remembered.
 */
const KEEP_UNTIL = `
local call = redis.call
local time = call('TIME')
local soonest = time[1] * 1000 + ${LEAST_LIFE_MS}
local given, due
local function keep_until(key, fields_added, expire_at)
  if expire_at == '' then return call('PERSIST', key) end
  if expire_at == given then expire_at = due
  else
    given, due = expire_at, expire_at
    if tonumber(expire_at) < soonest then due = string.format('%.0f', soonest) end
    expire_at = due
  end
  if fields_added == 1 and call('HLEN', key) == 1 then return call('PEXPIREAT', key, expire_at) end
  call('PEXPIREAT', key, expire_at, 'GT')
end`;

/**
 * KEYS, or none; ARGV: the field, the number of rows, expiry and bytes of each, the keys that are not declared. Answers
 * one letter a row: w(ritten), e(qual), s(tale), or ? where the row was not served. `newer` is compareRows of
 * row-order.ts; strings are never compared by "<", which goes by the server's locale.
 */
export const WRITE_ROWS = script(`${KEEP_UNTIL}
local byte, pcall = string.byte, redis.pcall
local function values_at(row)
  local at = byte(row, 1) + 2
  for _ = 1, 3 do
    local x = byte(row, at)
    while x and x >= 128 do
      at = at + 1
      x = byte(row, at)
    end
    if x then at = at + 1 end
  end
  return at
end
local function larger(a, b)
  local a_end, b_end = byte(a, 1) + 1, byte(b, 1) + 1
  if #a == a_end then return #b > b_end and 1 or 0 end
  if #b == b_end then return -1 end
  a, b = string.sub(a, values_at(a)), string.sub(b, values_at(b))
  if a == b then return 0 end
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x - y end
  end
  return #a - #b
end
local function newer(a, b)
  local length, a1, a2, a3, a4, a5, a6, a7, a8 = byte(a, 1, 9)
  local b_length, b1, b2, b3, b4, b5, b6, b7, b8 = byte(b, 1, 9)
  if b_length < length then length = b_length end
  if length >= 8 then
    if a1 ~= b1 then return a1 - b1 end
    if a2 ~= b2 then return a2 - b2 end
    if a3 ~= b3 then return a3 - b3 end
    if a4 ~= b4 then return a4 - b4 end
    if a5 ~= b5 then return a5 - b5 end
    if a6 ~= b6 then return a6 - b6 end
    if a7 ~= b7 then return a7 - b7 end
    if a8 ~= b8 then return a8 - b8 end
  end
  for i = 2, length + 1 do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x - y end
  end
  return larger(a, b)
end
local field, count = ARGV[1], tonumber(ARGV[2])
local outcomes = {}
for i = 1, count do
  local key, row = KEYS[i] or ARGV[2 + 2 * count + i], ARGV[2 + 2 * i]
  local stored = pcall('HGET', key, field)
  if type(stored) == 'table' then
    if not string.find(stored.err, 'non local key', 1, true) then return stored end
    outcomes[i] = '?'
  else
    local difference = stored and newer(row, stored) or 1
    if difference > 0 then
      keep_until(key, call('HSET', key, field, row), ARGV[1 + 2 * i])
      outcomes[i] = 'w'
    else
      outcomes[i] = difference == 0 and 'e' or 's'
    end
  end
end
return table.concat(outcomes)`);

/**
 * KEYS: one; ARGV: field, '1' and the bytes expected or '0' and '' for none, likewise the bytes to set (none deletes),
 * expiry. Answers 1 when it did.
 */
export const COMPARE_AND_SET = script(`${KEEP_UNTIL}
local key, field = KEYS[1], ARGV[1]
local stored = call('HGET', key, field)
if ARGV[2] == '1' then
  if stored ~= ARGV[3] then return 0 end
elseif stored then return 0 end
if ARGV[4] == '1' then keep_until(key, call('HSET', key, field, ARGV[5]), ARGV[6]) else call('HDEL', key, field) end
return 1`);

/** Whole ms, later rather than sooner; '' for a row without expiry. */
export function expiryText(expireAtMs: number): string {
  const wholeMs = Math.ceil(expireAtMs);
  return Number.isSafeInteger(wholeMs) ? String(wholeMs) : "";
}

/** What scripts take for bytes that may be absent: '1' and the bytes, or '0' and ''. */
export function optionalArguments(bytes: Uint8Array | undefined): readonly [Argument, Argument] {
  return bytes === undefined ? ["0", ""] : ["1", bytes];
}

/** Sends a command that runs a script by its hash; where the server does not know it, loads it and sends it again. */
export async function withScript<T>(server: CommandSender, { lua }: RedisScript, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (thrown) {
    if (!isUnknownScript(thrown)) throw thrown;
  }
  await server.send(new Command("script", ["LOAD", lua]));
  return send();
}
