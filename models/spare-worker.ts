/**
 * A worker that is kept from one proof of a version to the next. To start a process holds the event loop for ten
 * milliseconds (the system copies the page tables of a large parent) and costs 0.2 s of another core; a swap that had to
 * would show in the slowest requests. It is started when it is first needed, and ended after a proof that failed, or when
 * it has opened so many models that whatever they left behind is to go.
 */

import { SessionWorker } from "./worker-session.ts";

/** Models that one worker opens. More would save a start each time, and keep longer what the runtime may leave. */
const USES_MAX = 100;

/** Lends one worker at a time; who comes meanwhile gets one of its own. */
export class SpareWorker {
  #worker: SessionWorker | undefined;
  #uses = 0;
  #closed = false;

  /** A worker for a file, the kept one where there is one. */
  async take(file: string): Promise<SessionWorker> {
    const kept = this.#worker;
    this.#worker = undefined;
    if (kept === undefined || !kept.isThere) {
      this.#uses = 1;
      return new SessionWorker(file);
    }
    this.#uses++;
    try {
      await kept.reuse(file);
      return kept;
    } catch {
      return new SessionWorker(file);
    }
  }

  /** Takes a worker back whose model is not needed any more. */
  async giveBack(worker: SessionWorker): Promise<void> {
    if (this.#closed || this.#worker !== undefined || this.#uses >= USES_MAX) return worker.end();
    this.#worker = worker;
    await worker.reuse("no model").catch(() => {});
  }

  /** Ends the kept one. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.end();
  }
}
