/**
 * The hash slot of a key: CRC-16/XMODEM of the part between the first "{" and the next "}", where there is one that is
 * not empty, else of all of it, modulo 16,384.
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model
 */

/** How many slots a cluster has. */
export const SLOTS = 16_384;

const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});
const [OPEN, CLOSE] = [0x7b, 0x7d];

/** The slot of a key, a character a byte. */
export function slotOf(key: string): number {
  let crc = 0;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    // Rare: in our own keys it is percent-encoded.
    if (code === OPEN) return slotOfBytes(Buffer.from(key, "latin1"));
    crc = ((crc << 8) ^ CRC_TABLE[((crc >> 8) ^ code) & 0xff]!) & 0xffff;
  }
  return crc % SLOTS;
}

function slotOfBytes(key: Buffer): number {
  const open = key.indexOf(OPEN);
  const close = open < 0 ? -1 : key.indexOf(CLOSE, open + 1);
  let crc = 0;
  for (const byte of close > open + 1 ? key.subarray(open + 1, close) : key) {
    crc = ((crc << 8) ^ CRC_TABLE[((crc >> 8) ^ byte) & 0xff]!) & 0xffff;
  }
  return crc % SLOTS;
}
