/**
 * A TCP proxy before a server, that cuts, delays or swallows what goes over it: each at once for all links of a kind.
 * A link is of the kind "tracking" once its client has asked for CLIENT TRACKING, and "rows" before and otherwise.
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import { performance } from "node:perf_hooks";

/** What a link is for. */
export type LinkKind = "rows" | "tracking";

/** A timer may be early by this, ms. */
const TIMER_EARLY_MS = 2;

interface Link {
  kind: LinkKind;
  readonly client: Socket;
  readonly server: Socket;
  /** What a half-open connection does: it stands, and nothing comes through. */
  isSwallowed: boolean;
  /** Answers on their way, oldest first. */
  readonly waiting: { readonly chunk: Buffer; readonly dueMs: number }[];
}

/** The proxy. */
export class TcpProxy {
  readonly #links = new Set<Link>();
  readonly #delaysMs: Record<LinkKind, () => number> = { rows: () => 0, tracking: () => 0 };
  readonly #server: Server;
  #isStalled = false;

  /** Passes everything on to a port. */
  constructor(targetPort: number, host = "127.0.0.1") {
    this.#server = createServer((client) => this.#accept(client, connect(targetPort, host)));
  }

  /** Listens on a free port of the loopback, which it returns. */
  async listen(): Promise<number> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return (this.#server.address() as { port: number }).port;
  }

  /** Each answer over links of this kind is held for as long as `delayMs` says, in order. */
  delay(kind: LinkKind, delayMs: () => number): void {
    this.#delaysMs[kind] = delayMs;
  }

  /** From now on nothing comes through the links of this kind that there are. */
  swallow(kind: LinkKind): void {
    for (const link of this.#links) if (link.kind === kind) link.isSwallowed = true;
  }

  /** From now on nothing comes through any link, new ones too: a server that has stopped. */
  stall(): void {
    this.#isStalled = true;
    for (const link of this.#links) link.isSwallowed = true;
  }

  /** Ends what was stalled; new links are served. */
  resume(): void {
    this.#isStalled = false;
    for (const link of this.#links) if (link.isSwallowed) link.client.destroy();
  }

  /** Ends the links of this kind. */
  cut(kind: LinkKind): void {
    for (const link of this.#links) if (link.kind === kind) link.client.destroy();
  }

  close(): void {
    this.cut("rows");
    this.cut("tracking");
    this.#server.close();
  }

  #accept(client: Socket, server: Socket): void {
    const link: Link = { kind: "rows", client, server, isSwallowed: this.#isStalled, waiting: [] };
    this.#links.add(link);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#links.delete(link);
        client.destroy();
        server.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (chunk.includes("TRACKING")) link.kind = "tracking";
      if (!link.isSwallowed) server.write(chunk);
    });
    server.on("data", (chunk) => this.#answer(link, chunk));
  }

  #answer(link: Link, chunk: Buffer): void {
    const nowMs = performance.now();
    const dueMs = Math.max(link.waiting.at(-1)?.dueMs ?? 0, nowMs + this.#delaysMs[link.kind]());
    link.waiting.push({ chunk, dueMs });
    if (dueMs <= nowMs) passDue(link);
    else setTimeout(passDue, dueMs - nowMs, link);
  }
}

/** From the oldest on, so that a late timer changes no order. */
function passDue(link: Link): void {
  const nowMs = performance.now() + TIMER_EARLY_MS;
  while (link.waiting.length > 0 && link.waiting[0]!.dueMs <= nowMs) {
    const { chunk } = link.waiting.shift()!;
    if (!link.isSwallowed) link.client.write(chunk);
  }
}
