/**
 * A gate before an S3 server, which knows HTTP: it can hold the put of one object back when everything before it has
 * gone through, and it can be gone. So a writer is stopped at the very step that a test is about, whatever the machine's
 * speed.
 */

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The gate. */
export class S3Gate {
  readonly #target: URL;
  readonly #server: Server;
  #held: { readonly path: RegExp; readonly reached: () => void } | undefined;
  #isAway = false;

  /** Passes everything on to an endpoint. */
  constructor(endpoint: string) {
    this.#target = new URL(endpoint);
    this.#server = createServer((asked, answer) => this.#pass(asked, answer));
  }

  /** Listens on a free port of the loopback; gives its endpoint. */
  async listen(): Promise<string> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on puts to a path that matches are swallowed; resolves when the first one has come. */
  holdPut(path: RegExp): Promise<void> {
    return new Promise((reached) => {
      this.#held = { path, reached };
    });
  }

  /** From now on every connection is cut, until `comeBack`. */
  goAway(): void {
    this.#isAway = true;
    this.#held = undefined;
    this.#server.closeAllConnections();
  }

  /** Passes everything on again. */
  comeBack(): void {
    this.#isAway = false;
    this.#held = undefined;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    if (this.#isAway) {
      asked.socket.destroy();
      return;
    }
    if (asked.method === "PUT" && this.#held?.path.test(asked.url ?? "")) {
      this.#held.reached();
      return;
    }
    const { hostname, port } = this.#target;
    const { headers, method, url } = asked;
    const passed = request({ hostname, port, method, path: url, headers, agent: false }, (told) => {
      answer.writeHead(told.statusCode!, told.rawHeaders);
      told.pipe(answer);
    });
    passed.once("error", () => asked.socket.destroy());
    asked.pipe(passed);
  }
}
