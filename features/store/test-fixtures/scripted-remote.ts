/**
 * A remote store whose every step is the test's to take: when a read reaches the server, when its answer arrives, when
 * a change is told, when the feed is doubted and armed, and what time it is. Rows are versions: the event time.
 */

import { readEventTimestampUs } from "../../row-order.ts";
import { openMemoryStore } from "../memory.ts";
import type { EntityRows, InvalidationListener, OnlineStore, ReadRequest } from "../online-store.ts";
import { rowWrite } from "./rows.ts";

/** How stale the scripted feed lets reads be, in its own ms. */
export const SCRIPTED_BOUND_MS = 10;

/** A remote read under way. */
export interface ScriptedRead {
  readonly requests: readonly ReadRequest[];
  /** The server answers: what is stored now is what will arrive. */
  execute(): void;
  /** The answer arrives; executes first where that has not happened. */
  arrive(): void;
  /** The read fails. */
  fail(cause: Error): void;
}

/** The remote store. */
export class ScriptedRemote {
  nowMs = 1_000;
  /** Reads under way, oldest first. */
  readonly reads: ScriptedRead[] = [];
  /** Keys whose change has not been told yet, oldest first. */
  readonly untold: string[] = [];
  readonly store: OnlineStore;
  /** While true changes are lost instead of told. */
  isMute = false;
  readonly #memory = openMemoryStore();
  #listener: InvalidationListener | undefined;
  #provenMs = 1_000;

  constructor() {
    this.store = {
      address: "scripted:",
      tiers: this.#memory.tiers,
      control: this.#memory.control,
      read: (requests) => this.#begin(requests),
      write: (rows) => this.#memory.write(rows),
      replace: (row, ifStored) => this.#memory.replace(row, ifStored),
      scan: (...scanned) => this.#memory.scan(...scanned),
      sweep: (nowMs) => this.#memory.sweep(nowMs),
      history: () => this.#memory.history(),
      ping: () => this.#memory.ping(),
      close: () => this.#memory.close(),
      subscribe: (listener) => {
        this.#listener = listener;
        return {
          stalenessBoundMs: SCRIPTED_BOUND_MS,
          lagMs: () => this.nowMs - this.#provenMs,
          stop: () => {
            this.#listener = undefined;
          },
        };
      },
    };
    this.#memory.subscribe({
      invalidated: (keys) => {
        if (!this.isMute) this.untold.push(...keys);
      },
      doubted: () => {},
      armed: () => {},
    });
  }

  /** Somebody else writes, and is told so. */
  async write(key: string, version: number, field = "view"): Promise<void> {
    await this.#memory.write([rowWrite(key, version, `v${version}`, field)]);
  }

  /** Tells the oldest untold change. */
  tell(): string | undefined {
    const key = this.untold.shift();
    if (key !== undefined) this.#listener?.invalidated([key]);
    return key;
  }

  /** A heartbeat comes back: everything before it has been told, unless the feed is mute. */
  beat(): void {
    if (this.isMute) return;
    while (this.tell() !== undefined);
    this.#provenMs = this.nowMs;
  }

  doubt(): void {
    this.untold.length = 0;
    this.isMute = true;
    this.#listener?.doubted();
  }

  arm(): void {
    this.isMute = false;
    this.#provenMs = this.nowMs;
    this.#listener?.armed();
  }

  #begin(requests: readonly ReadRequest[]): Promise<readonly EntityRows[]> {
    return new Promise((resolve, reject) => {
      let rows: readonly EntityRows[] | undefined;
      const end = () => this.reads.splice(this.reads.indexOf(read), 1);
      const read: ScriptedRead = {
        requests,
        execute: () => {
          rows ??= this.#memory.read(requests) as readonly EntityRows[];
        },
        arrive: () => {
          read.execute();
          end();
          resolve(rows!);
        },
        fail: (cause) => {
          end();
          reject(cause);
        },
      };
      this.reads.push(read);
    });
  }
}

/** The version of an entity's only row; 0 where none is stored. */
export function versionOf(entity: EntityRows | undefined): number {
  const row = entity?.rows[0];
  return row === undefined ? 0 : readEventTimestampUs(row.bytes);
}
