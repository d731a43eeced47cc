/** The part of autocannon 8 that the load generator uses; the package carries no types. */
declare module "autocannon" {
  import type { EventEmitter } from "node:events";

  interface Client {
    setRequests(
      requests: readonly { readonly body: string | Buffer; readonly headers: Readonly<Record<string, string>> }[],
    ): void;
  }

  interface Options {
    readonly url: string;
    readonly method: "POST";
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    /** How often it looks whether the duration is over, ms. */
    readonly sampleInt: number;
    readonly setupClient: (client: Client) => void;
  }

  interface Result {
    readonly errors: number;
    readonly non2xx: number;
  }

  /** Emits `response` (client, status, bytes, duration in ms with its fraction). */
  type Run = EventEmitter & PromiseLike<Result>;

  function autocannon(options: Options): Run;
  export = autocannon;
}
