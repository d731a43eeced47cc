/**
 * Reading rows: what one turn of the event loop asks for goes out together, one script call a server and list of
 * fields. On a 2-core machine that took 1.6 to 2 µs of this process's CPU an entity, where a pipeline of one HMGET an
 * entity took 6.5 to 8; the server's own cost was about the same.
 */

import { setTimeout as pause } from "node:timers/promises";
import type { EntityRows, ReadRequest } from "./online-store.ts";
import { binaryCommand, CommandWriter, EncodedCommand } from "./redis-command.ts";
import { RESEND_PAUSE_MS, type RedisDeployment, type RedisMaster, RetrySpan, sharesOf } from "./redis-deployment.ts";
import { canPass, redisFailure, slotNotServed } from "./redis-failure.ts";
import type { RedisLayout, RowFields } from "./redis-layout.ts";
import { publishRoundTrip } from "./redis-round-trip.ts";
import { withScript } from "./redis-script.ts";

/** The most rows of one script call. It bounds for how long the server serves nobody else: some 2 µs a row. */
export const DEFAULT_READ_CALL_ROWS = 1_000;

/** What the Redis tier calls itself. */
export const REDIS_TIER = "redis";

/** The entities that one caller asked for; answered when all are here. */
interface Pending {
  /** Entities to come. */
  left: number;
  readonly entities: EntityRows[];
  readonly resolve: (entities: readonly EntityRows[]) => void;
  readonly reject: (failure: unknown) => void;
}

/** One entity that is being read. */
interface Wanted {
  readonly key: string;
  readonly asked: RowFields;
  /** Its place among the caller's. */
  readonly place: number;
  readonly pending: Pending;
}

/** Reads rows from a deployment. */
export class RowReads {
  readonly #deployment: RedisDeployment;
  readonly #layout: RedisLayout;
  readonly #callRows: number;
  readonly #now: (() => number) | undefined;
  readonly #writer = new CommandWriter();
  /** What this turn has asked for so far. */
  #turn: Wanted[] = [];

  /** `now` is a monotonic clock, ms; without it round trips are not told. */
  constructor(deployment: RedisDeployment, layout: RedisLayout, callRows: number, now: (() => number) | undefined) {
    this.#now = now;
    this.#deployment = deployment;
    this.#layout = layout;
    this.#callRows = callRows;
  }

  /** Resolves in the order of the requests. */
  async read(requests: readonly ReadRequest[]): Promise<readonly EntityRows[]> {
    for (const { fields } of requests) {
      const readiness = this.#layout.readyToRead(fields);
      if (readiness !== undefined) await readiness;
    }
    return this.#join(requests);
  }

  #join(requests: readonly ReadRequest[]): Promise<readonly EntityRows[]> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { left: 0, entities: [], resolve, reject };
      for (const [place, { key, fields }] of requests.entries()) {
        const stored = fields.length === 0 ? undefined : this.#layout.keyOf(key, fields[0]!);
        pending.entities.push({ tier: REDIS_TIER, rows: new Array(fields.length).fill(undefined) });
        if (stored === undefined) continue;
        pending.left++;
        if (this.#turn.length === 0) setImmediate(() => this.#sendTurn());
        this.#turn.push({ key: stored, asked: this.#layout.rowFields(fields), place, pending });
      }
      if (pending.left === 0) resolve(pending.entities);
    });
  }

  #sendTurn(): void {
    const wanted = this.#turn;
    this.#turn = [];
    this.#fetch(wanted, undefined);
  }

  #fetch(wanted: readonly Wanted[], span: RetrySpan | undefined): void {
    const readiness = this.#deployment.ready();
    if (readiness === undefined) this.#send(wanted, span);
    else
      readiness.then(
        () => this.#send(wanted, span),
        (thrown) => this.#fail(wanted, thrown),
      );
  }

  #send(wanted: readonly Wanted[], span: RetrySpan | undefined): void {
    const shares = sharesOf(this.#deployment, wanted, keyOf, labelled());
    for (const { master, items } of shares) {
      const { fields } = items[0]!.asked;
      const callKeys = Math.max(1, Math.floor(this.#callRows / fields.length));
      for (let from = 0; from < items.length; from += callKeys) {
        const part = items.length <= callKeys ? items : items.slice(from, from + callKeys);
        if (master === undefined) void this.#again(part, span, slotNotServed());
        else void this.#call(master, fields, part, span);
      }
    }
  }

  async #call(
    master: RedisMaster,
    fields: readonly string[],
    wanted: readonly Wanted[],
    span: RetrySpan | undefined,
  ): Promise<void> {
    let found: readonly (Buffer | null | Error)[];
    try {
      const bytes = this.#encoded(fields, wanted);
      const sentMs = this.#now?.();
      const send = () => master.send(new EncodedCommand("evalsha_ro", bytes));
      found = this.#layout.answersOf(await withScript(master, this.#layout.readScript, send), fields.length);
      if (sentMs !== undefined) publishRoundTrip("read", this.#now!() - sentMs);
    } catch (thrown) {
      return this.#again(wanted, span, thrown);
    }
    for (let i = 0, next = 0; i < wanted.length; i++, next += fields.length) this.#take(wanted[i]!, found, next, span);
  }

  #encoded(fields: readonly string[], wanted: readonly Wanted[]): Buffer {
    const writer = this.#writer;
    const { holdsAllKeys } = this.#deployment;
    writer.begin(4 + fields.length + wanted.length);
    writer.text("EVALSHA_RO");
    writer.text(this.#layout.readScript.sha);
    writer.text(holdsAllKeys ? String(wanted.length) : "0");
    if (holdsAllKeys) for (const { key } of wanted) writer.text(key);
    writer.text(String(fields.length));
    for (const field of fields) writer.text(field);
    if (!holdsAllKeys) for (const { key } of wanted) writer.text(key);
    return writer.end();
  }

  /** Takes an entity's rows from an answer, or asks for it alone where the server did not serve it. */
  #take(one: Wanted, found: readonly (Buffer | null | Error)[], from: number, span: RetrySpan | undefined): void {
    const { asked, place, pending } = one;
    // A key is served or not as a whole.
    if (found[from] instanceof Error) return void this.#fetchAlone(one, span);
    try {
      pending.entities[place] = { tier: REDIS_TIER, rows: asked.rowsOf(found as readonly (Buffer | null)[], from) };
    } catch (thrown) {
      // No answer of the server's will do, and the others of the call have theirs.
      pending.reject(thrown);
      return;
    }
    if (--pending.left === 0) pending.resolve(pending.entities);
  }

  async #fetchAlone(one: Wanted, span: RetrySpan | undefined): Promise<void> {
    try {
      const found = await this.#deployment.call(binaryCommand("hmget", [one.key, ...one.asked.fields]));
      this.#take(one, found as (Buffer | null)[], 0, span);
    } catch (thrown) {
      await this.#again([one], span, thrown);
    }
  }

  /** Asks again for a while where the error can pass. */
  async #again(wanted: readonly Wanted[], span: RetrySpan | undefined, thrown: unknown): Promise<void> {
    const retries = span ?? new RetrySpan(this.#deployment.waits.reconnectWaitMs);
    if (retries.isOver || !canPass(thrown)) return this.#fail(wanted, thrown);
    this.#deployment.refresh();
    await pause(RESEND_PAUSE_MS);
    this.#fetch(wanted, retries);
  }

  #fail(wanted: readonly Wanted[], thrown: unknown): void {
    const failure = redisFailure(this.#deployment.address, thrown);
    for (const { pending } of wanted) pending.reject(failure);
  }
}

const keyOf = ({ key }: Wanted): string => key;

/** Equal for equal lists of fields. A service reads the same list every time, so mostly there is nothing to join. */
function labelled(): (wanted: Wanted) => string {
  let last: readonly string[] | undefined;
  let label = "";
  return ({ asked: { fields } }) => {
    if (fields !== last) label = fields.join("\0");
    last = fields;
    return label;
  };
}
