/**
 * The answer of READ_FEAST_ROWS, taken apart: msgpack of nothing but lists, bytes, false and true, as Redis' own
 * cmsgpack writes it. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */

const [FALSE, TRUE] = [0xc2, 0xc3];
/** Heads of texts and lists whose length is in the next 1, 2 or 4 bytes. */
const [TEXT8, TEXT16, TEXT32, LIST16, LIST32] = [0xd9, 0xda, 0xdb, 0xdc, 0xdd];
const NOT_SERVED = new Error("The server does not serve the key.");

/** The fields of all keys one after the other: bytes, null for one that is not there, an error for each of an unserved key's. */
export function parseFeastReply(reply: Buffer, fieldCount: number): (Buffer | null | Error)[] {
  const found: (Buffer | null | Error)[] = [];
  let at = listStart(reply, 0);
  while (at < reply.length) {
    if (reply[at] === TRUE) {
      for (let i = 0; i < fieldCount; i++) found.push(NOT_SERVED);
      at++;
      continue;
    }
    at = listStart(reply, at);
    for (let i = 0; i < fieldCount; i++) at = takeField(reply, at, found);
  }
  return found;
}

/** Where the first element of a list is. */
function listStart(reply: Buffer, at: number): number {
  const head = reply[at];
  return at + 1 + (head === LIST16 ? 2 : head === LIST32 ? 4 : 0);
}

/** Returns the offset after the field. */
function takeField(reply: Buffer, at: number, found: (Buffer | null | Error)[]): number {
  const head = reply[at]!;
  if (head === FALSE) {
    found.push(null);
    return at + 1;
  }
  let start = at + 1;
  let length = head & 0x1f;
  if (head === TEXT8) length = reply[start++]!;
  else if (head === TEXT16) {
    length = reply.readUInt16BE(start);
    start += 2;
  } else if (head === TEXT32) {
    length = reply.readUInt32BE(start);
    start += 4;
  }
  found.push(reply.subarray(start, start + length));
  return start + length;
}
