/**
 * Reads the answers off one HTTP/1.1 connection on which one request at a time is under way. It knows as much of HTTP as
 * a load generator needs, the status and where an answer ends, since a general client costs more than the server
 * that it measures. Answers carry a Content-Length; any other way of ending is refused.
 */

const HEAD_END = Buffer.from("\r\n\r\n");
/** "HTTP/1.1 200": where the status stands. */
const [STATUS_START, STATUS_END] = [9, 12];
const NOTHING = Buffer.alloc(0);

/** Makes a reader of chunks as they come; `answered` is called with the status when an answer is there to its end. */
export function answerReader(answered: (status: number) => void): (chunk: Buffer) => void {
  let head = NOTHING;
  let status = 0;
  let bodyBytes = 0;
  return (chunk) => {
    let rest = chunk;
    if (bodyBytes === 0) {
      const seen = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const end = seen.indexOf(HEAD_END);
      if (end === -1) {
        // The chunk's memory may be used again for the next one.
        head = Buffer.from(seen);
        return;
      }
      head = NOTHING;
      const text = seen.toString("latin1", 0, end);
      status = Number(text.slice(STATUS_START, STATUS_END));
      bodyBytes = contentLength(text);
      rest = seen.subarray(end + HEAD_END.length);
    }
    if (rest.length > bodyBytes) throw new Error("an answer is longer than its Content-Length");
    bodyBytes -= rest.length;
    if (bodyBytes === 0) answered(status);
  };
}

function contentLength(head: string): number {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without a Content-Length: ${head.slice(0, 200)}`);
  return Number(length);
}
