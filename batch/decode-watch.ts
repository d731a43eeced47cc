/**
 * A watch on a thread that decodes. A damaged page can send the decoder into a loop that nothing inside the thread can
 * end; its event loop stands still then. So the thread counts a beat on a timer, in memory that both sides see, and notes
 * whose bytes it is about to decode; who waits for it looks whether the beat goes on.
 *
 * What is counted is looks, not time: a process that was stopped and goes on must not take the pause for a loop. Waiting
 * for a slow source or for a consumer lets the timer run, so only a loop counts.
 */

/** Between two beats, and two looks, ms. */
const BEAT_MS = 250;

const TEXT_START = 16;
const TEXT_BYTES = 2_048;

/** The memory that both sides see. */
export function createWatchMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(TEXT_START + TEXT_BYTES);
}

/** The thread's side: begins to beat; the answer notes where it is. */
export function beatInto(memory: SharedArrayBuffer): (path: string, row: number) => void {
  const beats = new Int32Array(memory, 0, 2);
  const row = new Float64Array(memory, 8, 1);
  const text = new Uint8Array(memory, TEXT_START);
  let noted = "";
  setInterval(() => Atomics.add(beats, 0, 1), BEAT_MS).unref();
  return (path, startRow) => {
    row[0] = startRow;
    if (path === noted) return;
    noted = path;
    // Encoding into shared memory is not allowed everywhere.
    const bytes = Buffer.from(path).subarray(0, TEXT_BYTES);
    text.set(bytes);
    Atomics.store(beats, 1, bytes.length);
  };
}

/** Where the thread was last: a file and the row at which its range begins. */
export function lastDecoded(memory: SharedArrayBuffer): { readonly path: string; readonly row: number } {
  const length = Atomics.load(new Int32Array(memory, 0, 2), 1);
  const path = Buffer.from(new Uint8Array(memory, TEXT_START, length)).toString("utf8");
  return { path, row: new Float64Array(memory, 8, 1)[0]! };
}

/** The other side: calls `onStuck` once when the beat has stood still for `stuckMs` of looks; the answer ends the watch. */
export function watchBeat(memory: SharedArrayBuffer, stuckMs: number, onStuck: () => void): () => void {
  const beats = new Int32Array(memory, 0, 2);
  let [seen, still] = [Atomics.load(beats, 0), 0];
  const timer = setInterval(() => {
    const beat = Atomics.load(beats, 0);
    still = beat === seen ? still + 1 : 0;
    seen = beat;
    if (still * BEAT_MS < stuckMs) return;
    clearInterval(timer);
    onStuck();
  }, BEAT_MS);
  timer.unref();
  return () => clearInterval(timer);
}
