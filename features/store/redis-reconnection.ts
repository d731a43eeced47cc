/**
 * How long to hope for a client that has lost its connection. The span is counted from the loss and not anew by each
 * call: whoever comes while a reconnect may still be quick waits for it, and a server that stays away costs no call a
 * wait.
 */

import { redisClosed } from "./redis-failure.ts";

/** What of a client is needed: ioredis' Redis and Cluster both are one. */
export interface ReconnectingClient {
  readonly status: string;
  on(event: "ready" | "close" | "end" | "error" | "node error", listener: (error: Error) => void): unknown;
}

/** Follows a client from its making on. */
export class Reconnection {
  readonly #client: ReconnectingClient;
  readonly #address: string;
  readonly #waitMs: number;
  #lastError: Error | undefined;
  #isClosed = false;
  /** Since the loss: settles when the client is back or has been away for too long. */
  #hope: { readonly settled: Promise<void>; readonly isBack: () => void; readonly isGone: () => void } | undefined;

  /** `waitMs` is the span; `address` is shown in errors. */
  constructor(client: ReconnectingClient, address: string, waitMs: number) {
    this.#client = client;
    this.#address = address;
    this.#waitMs = waitMs;
    const failed = (error: Error) => {
      this.#lastError = rootOf(error);
    };
    client.on("error", failed);
    client.on("node error", failed);
    client.on("close", () => void this.#lost());
    client.on("end", () => this.#hope?.isGone());
    client.on("ready", () => {
      this.#hope?.isBack();
      this.#hope = undefined;
    });
  }

  /** The last thing that went wrong with the connection. */
  get error(): Error {
    return this.#lastError ?? new Error("Connection is closed.");
  }

  /** Undefined while commands can be sent; else resolves when they can, or rejects with what is wrong. */
  ready(): Promise<void> | undefined {
    if (this.#client.status === "ready") return undefined;
    return this.#isClosed ? Promise.reject(redisClosed(this.#address)) : this.#lost();
  }

  /** Called when the client is closed on purpose. */
  close(): void {
    this.#isClosed = true;
    this.#hope?.isGone();
  }

  #lost(): Promise<void> {
    if (this.#hope !== undefined) return this.#hope.settled;
    let [isBack, isGone] = [() => {}, () => {}];
    const settled = new Promise<void>((resolve, reject) => {
      isGone = () => reject(this.#isClosed ? redisClosed(this.#address) : this.error);
      const timer = setTimeout(isGone, this.#waitMs).unref();
      isBack = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    // Nobody may be waiting.
    settled.catch(() => {});
    this.#hope = { settled, isBack, isGone };
    return settled;
  }
}

/** Of a cluster that none of its nodes answered for, what the last of them said. */
function rootOf(error: Error): Error {
  const { lastNodeError } = error as { lastNodeError?: unknown };
  return lastNodeError instanceof Error ? lastNodeError : error;
}
