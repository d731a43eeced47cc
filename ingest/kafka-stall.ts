/**
 * Notices that a membership has gone quiet although there are records: kafkajs is known to stop fetching, all at once
 * or one partition, without a word. Nobody but the clock can tell, and joining anew mends it.
 */

import { within } from "./bounded-wait.ts";
import { partitionName } from "./kafka-offsets.ts";
import type { GroupSession } from "./kafka-session.ts";

/** A batch under way for so long holds the fetches, ms: then it is the store that is waited for. */
const SLOW_BATCH_MS = 1_000;

/** Brokers that do not say where partitions end by then are looked at another time, ms. */
const LOOK_TIMEOUT_MS = 1_000;

/** What is looked at of a membership. */
export type WatchedSession = Pick<GroupSession, "silentMs" | "busyMs" | "lag">;

/** Looks at a membership; a sentence when it stands still. */
export type StallWatch = (session: WatchedSession, nowMs: number) => Promise<string | undefined>;

/**
 * A watch for one consumer and all its memberships. Partitions that stand at the same offset after joining anew are left
 * alone, all of them after one try: something else holds them, such as a compacted end, and joining does not help.
 */
export function createStallWatch(stallTimeoutMs: number): StallWatch {
  const stood = new Map<string, { readonly position: bigint; readonly sinceMs: number }>();
  const triedAt = new Map<string, bigint>();
  return async (session, nowMs) => {
    const silentMs = session.silentMs();
    if (silentMs >= stallTimeoutMs) {
      stood.clear();
      return `no fetch came back for ${Math.round(silentMs)} ms`;
    }
    if (session.busyMs() > SLOW_BATCH_MS) {
      stood.clear();
      return undefined;
    }
    const stalls: string[] = [];
    const standing = new Map<string, bigint>();
    for (const { topic, partition, messages, position } of (await within(session.lag(), LOOK_TIMEOUT_MS)) ?? []) {
      const name = partitionName({ topic, partition });
      const before = stood.get(name);
      if (messages === 0 || before?.position !== position) {
        stood.set(name, { position, sinceMs: nowMs });
        continue;
      }
      standing.set(name, position);
      if (nowMs - before.sinceMs < stallTimeoutMs || triedAt.get(name) === position) continue;
      stalls.push(`${name} stands at ${position} with ${messages} records to come`);
    }
    if (stalls.length === 0) return undefined;
    for (const [name, position] of standing) triedAt.set(name, position);
    stood.clear();
    return oneSentence(stalls);
  };
}

function oneSentence([first, ...others]: readonly string[]): string | undefined {
  return others.length === 0 ? first : `${first}, and ${others.length} more partitions stand still`;
}
