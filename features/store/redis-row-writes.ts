/**
 * Writing rows: many share one script call, as the cost of a command of its own for each is several times that of the
 * write. A batch is cut by server and field into calls of bounded rows and bytes, a few of which are under way at once.
 *
 * A call whose connection is lost is sent again: what it had written already then comes back "equal".
 */

import { setTimeout as pause } from "node:timers/promises";
import { Command } from "ioredis";
import { HeadgateError } from "../../errors.ts";
import type { RowWrite, WriteOutcome } from "./online-store.ts";
import { CallSize } from "./redis-call-size.ts";
import { binaryCommand, CommandWriter, EncodedCommand } from "./redis-command.ts";
import { RESEND_PAUSE_MS, type RedisDeployment, type RedisMaster, RetrySpan, sharesOf } from "./redis-deployment.ts";
import { canPass, redisFailure, slotNotServed } from "./redis-failure.ts";
import type { RedisLayout } from "./redis-layout.ts";
import { publishRoundTrip } from "./redis-round-trip.ts";
import { withScript } from "./redis-script.ts";

/** The most rows of one script call, for which the server serves nobody else; see redis-call-size.ts for how many it is. */
export const DEFAULT_WRITE_CALL_ROWS = 2_048;
/** The most bytes of rows of one script call; a larger row goes alone. It bounds the same wait where rows are large. */
export const DEFAULT_WRITE_CALL_BYTES = 262_144;
/** Calls under way at once to a server by one batch: the next is written while the server runs one. It bounds memory. */
const CALLS_UNDER_WAY = 4;
/** How long a write waits for `minReplicas` to have it, ms; then it fails as one that may be lost. Keep it below the silence at which a server is given up. */
export const DEFAULT_REPLICA_WAIT_MS = 500;

/** Bounds of writing. */
export interface RowWritesOptions {
  readonly callRows: number;
  readonly callBytes: number;
  /** Replicas that must have a row before it counts as written; 0 asks for none. */
  readonly minReplicas: number;
  /** See DEFAULT_REPLICA_WAIT_MS. */
  readonly replicaWaitMs: number;
  /** See DEFAULT_WRITE_TARGET_MS. */
  readonly targetMs: number;
  /** Monotonic clock, ms; without it calls keep the size of the first. */
  readonly now: (() => number) | undefined;
}

const OUTCOMES: Readonly<Record<string, WriteOutcome>> = { w: "written", e: "equal", s: "stale" };

/** One batch on its way. */
interface Batch {
  readonly rows: readonly RowWrite[];
  readonly keys: readonly string[];
  readonly outcomes: WriteOutcome[];
  /** Set by the first call that failed: no further one is begun. */
  hasFailed: boolean;
}

/** Writes rows to a deployment. */
export class RowWrites {
  readonly #deployment: RedisDeployment;
  readonly #layout: RedisLayout;
  readonly #options: RowWritesOptions;
  readonly #writer = new CommandWriter();
  readonly #callSizes = new WeakMap<RedisMaster, CallSize>();

  constructor(deployment: RedisDeployment, layout: RedisLayout, options: RowWritesOptions) {
    this.#deployment = deployment;
    this.#layout = layout;
    this.#options = options;
  }

  /** See OnlineStore.write. */
  async write(rows: readonly RowWrite[]): Promise<readonly WriteOutcome[]> {
    const readiness = this.#layout.readyToWrite(rows);
    if (readiness !== undefined) await readiness;
    // A row that has no key is found before any is written.
    const keys = rows.map((row) => this.#layout.writtenKeyOf(row));
    const batch: Batch = { rows, keys, outcomes: new Array(rows.length), hasFailed: false };
    await this.#send(batch, [...rows.keys()], undefined);
    return batch.outcomes;
  }

  /** Waits until the last write to the server of a key has reached the replicas asked for. */
  async confirm(key: string): Promise<void> {
    const master = this.#deployment.masterOf(key);
    if (this.#options.minReplicas > 0 && master !== undefined) await this.#replicated(master);
  }

  /** Writes the rows at these places of the batch. */
  async #send(batch: Batch, places: readonly number[], span: RetrySpan | undefined): Promise<void> {
    try {
      await this.#deployment.ready();
    } catch (thrown) {
      throw redisFailure(this.#deployment.address, thrown);
    }
    const shares = sharesOf(
      this.#deployment,
      places,
      (place) => batch.keys[place]!,
      (place) => batch.rows[place]!.field,
    );
    const sends = shares.map(({ master, items }) =>
      master === undefined
        ? this.#again(batch, items, span, slotNotServed())
        : this.#sendShare(batch, master, items, span),
    );
    await Promise.all(sends);
  }

  async #sendShare(
    batch: Batch,
    master: RedisMaster,
    share: readonly number[],
    span: RetrySpan | undefined,
  ): Promise<void> {
    const size = this.#callSizeOf(master);
    let next = 0;
    const sendSome = async () => {
      while (next < share.length && !batch.hasFailed) {
        const from = next;
        next = this.#callEnd(batch, share, from, size.rows);
        await this.#call(batch, master, share.slice(from, next), span);
      }
    };
    try {
      await Promise.all(Array.from({ length: CALLS_UNDER_WAY }, sendSome));
    } catch (thrown) {
      batch.hasFailed = true;
      throw thrown;
    }
  }

  #callSizeOf(master: RedisMaster): CallSize {
    let size = this.#callSizes.get(master);
    if (size === undefined) {
      size = new CallSize(this.#options.callRows, this.#options.targetMs);
      this.#callSizes.set(master, size);
    }
    return size;
  }

  #callEnd({ rows }: Batch, share: readonly number[], from: number, callRows: number): number {
    const last = Math.min(share.length, from + callRows);
    const { bytesOf } = this.#layout.rowArguments(rows[share[from]!]!.field);
    let bytes = bytesOf(rows[share[from]!]!);
    let end = from + 1;
    for (; end < last; end++) {
      bytes += bytesOf(rows[share[end]!]!);
      if (bytes > this.#options.callBytes) break;
    }
    return end;
  }

  async #call(
    batch: Batch,
    master: RedisMaster,
    places: readonly number[],
    span: RetrySpan | undefined,
  ): Promise<void> {
    let letters: string;
    try {
      const bytes = this.#encoded(batch, places);
      letters = await withScript(master, this.#layout.writeScript, async () => {
        const answer = this.#timed(master, places.length, master.send(new EncodedCommand("evalsha", bytes)));
        // Sent right behind, so that no other connection can have taken the first one's place between them.
        const [outcome] = await Promise.all([answer, this.#options.minReplicas > 0 && this.#replicated(master)]);
        return String(outcome);
      });
    } catch (thrown) {
      return this.#again(batch, places, span, thrown);
    }
    const alone: Promise<void>[] = [];
    for (let i = 0; i < places.length; i++) {
      const outcome = OUTCOMES[letters[i]!];
      if (outcome !== undefined) batch.outcomes[places[i]!] = outcome;
      else alone.push(this.#writeAlone(batch, places[i]!, span));
    }
    if (alone.length > 0) await Promise.all(alone);
  }

  async #timed<T>(master: RedisMaster, rows: number, answer: Promise<T>): Promise<T> {
    const { now, minReplicas } = this.#options;
    if (now === undefined) return answer;
    const sentMs = now();
    const answered = await answer;
    const answeredMs = now();
    publishRoundTrip("write", answeredMs - sentMs);
    // Where replicas are waited for, the time is theirs and smaller calls would only wait more often.
    if (minReplicas === 0) this.#callSizeOf(master).answered(rows, sentMs, answeredMs);
    return answered;
  }

  #encoded({ rows, keys }: Batch, places: readonly number[]): Buffer {
    const writer = this.#writer;
    const { holdsAllKeys } = this.#deployment;
    const { head, width, of } = this.#layout.rowArguments(rows[places[0]!]!.field);
    writer.begin(4 + head.length + (1 + width) * places.length);
    writer.text("EVALSHA");
    writer.text(this.#layout.writeScript.sha);
    writer.text(holdsAllKeys ? String(places.length) : "0");
    if (holdsAllKeys) for (const place of places) writer.text(keys[place]!);
    for (const one of head) writer.text(one);
    writer.text(String(places.length));
    for (const place of places) for (const one of of(rows[place]!)) writer.argument(one);
    if (!holdsAllKeys) for (const place of places) writer.text(keys[place]!);
    return writer.end();
  }

  /** For a row whose slot is on the move. */
  async #writeAlone(batch: Batch, place: number, span: RetrySpan | undefined): Promise<void> {
    const row = batch.rows[place]!;
    const key = batch.keys[place]!;
    const { head, of } = this.#layout.rowArguments(row.field);
    try {
      const args = [this.#layout.writeScript.lua, "1", key, ...head, "1", ...of(row)];
      const outcome = OUTCOMES[String(await this.#deployment.call(binaryCommand("eval", args)))];
      if (outcome === undefined) throw new Error("The slot moved while it was written.");
      await this.confirm(key);
      batch.outcomes[place] = outcome;
    } catch (thrown) {
      await this.#again(batch, [place], span, thrown);
    }
  }

  async #again(batch: Batch, places: readonly number[], span: RetrySpan | undefined, thrown: unknown): Promise<void> {
    const retries = span ?? new RetrySpan(this.#deployment.waits.reconnectWaitMs);
    if (retries.isOver || batch.hasFailed || !canPass(thrown)) throw redisFailure(this.#deployment.address, thrown);
    this.#deployment.refresh();
    await pause(RESEND_PAUSE_MS);
    await this.#send(batch, places, retries);
  }

  async #replicated(master: RedisMaster): Promise<void> {
    const { minReplicas, replicaWaitMs } = this.#options;
    const count = Number(await master.send(new Command("wait", [minReplicas, replicaWaitMs])));
    if (count >= minReplicas) return;
    throw new HeadgateError(
      "STORE_UNREACHABLE",
      `The online store ${this.#deployment.address} has the rows, but only ${count} of the ${minReplicas} replicas asked for had them within ${replicaWaitMs} ms, so a failover could lose them. Check the replicas, then write again.`,
    );
  }
}
