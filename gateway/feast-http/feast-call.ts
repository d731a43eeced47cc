/** What is published of every call of Feast's routes, for the metrics. */

import { channel } from "node:diagnostics_channel";

/** A call that is over. */
export interface FeastCallEvent {
  /** One of a few names, such as get-online-features: never what was sent. */
  readonly route: string;
  /** The code of the error it was answered with; ok for none. */
  readonly code: string;
  /** From its headers to its answer's text. */
  readonly durationMs: number;
}

const calls = channel("headgate:feast-call");

/** Publishes a call that is over. */
export function publishFeastCall(route: string, code: string, durationMs: number): void {
  if (calls.hasSubscribers) calls.publish({ route, code, durationMs });
}
