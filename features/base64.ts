/** Bytes as text: base64 and base64url alike, padded or not, because callers write either. */

/** The bytes of a text in either alphabet; undefined when it is no base64: a wrong character, or a length that no bytes have. */
export function parseBase64(text: string): Uint8Array | undefined {
  const match = /^([A-Za-z0-9+/_-]*)(={0,2})$/.exec(text);
  if (match === null) return undefined;
  const [, digits, padding] = match;
  if (digits!.length % 4 === 1 || (padding !== "" && text.length % 4 !== 0)) return undefined;
  return new Uint8Array(Buffer.from(digits!, "base64"));
}
