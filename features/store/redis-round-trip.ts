/**
 * How long a server takes to answer, which whoever counts is told and by which writes find the size of their calls.
 */

import { channel } from "node:diagnostics_channel";

/** One round trip of rows. */
export interface RoundTripEvent {
  readonly operation: "read" | "write";
  /** From the sending of a command to its answer, other commands under way on the connection included. */
  readonly durationMs: number;
}

/** Published with a RoundTripEvent for each answer that rows came or went by. */
const roundTripEnded = channel("headgate:store-round-trip");

/** Tells of a round trip, where anybody listens. */
export function publishRoundTrip(operation: RoundTripEvent["operation"], durationMs: number): void {
  if (roundTripEnded.hasSubscribers) roundTripEnded.publish({ operation, durationMs } satisfies RoundTripEvent);
}
