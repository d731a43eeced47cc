/**
 * GET /readyz of an ingester: it is a member of its group, reads all its topics, the store answers, and no batch has
 * been refused for long, whatever refuses it: the store, the schema registry, the dead letters' topic. Not ready does not
 * mean that events are lost: they wait in Kafka.
 */

import { reasonOf } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { StreamConsumer } from "./consumer.ts";
import type { RefusedBatches } from "./refused-batches.ts";

/** A probe usually waits for some seconds; the answer that the store is away must come before. */
const PING_TIMEOUT_MS = 1_000;
/** For so long a batch may be refused before the ingester is not ready, ms: a hiccup is over before. */
const REFUSED_MS = 5_000;

/** What readiness looks at. */
export interface IngestReadinessOptions {
  readonly store: Pick<OnlineStore, "address" | "ping">;
  readonly consumer: Pick<StreamConsumer, "state">;
  readonly refused: Pick<RefusedBatches, "oldest">;
  readonly group: string;
  readonly registryFingerprint: string;
  /** How long the store may take to answer before it counts as away, ms; PING_TIMEOUT_MS unless given. */
  readonly pingTimeoutMs?: number;
}

/** Whether the ingester is ready, and everything that makes it so. Never rejects. */
export async function checkIngestReadiness(
  options: IngestReadinessOptions,
): Promise<{ readonly ready: boolean; readonly body: JsonValue }> {
  const { store, consumer, refused, group, registryFingerprint } = options;
  const storeProblem = await pingProblem(options);
  const { connected, assignments, problem } = consumer.state();
  const oldest = refused.oldest(assignments);
  const stuck = oldest !== undefined && oldest.forMs >= REFUSED_MS ? oldest : undefined;
  const ready = storeProblem === undefined && connected && problem === undefined && stuck === undefined;
  const body = {
    status: ready ? "ready" : "not ready",
    online_store: { address: store.address, problem: storeProblem ?? null },
    kafka: { group, connected, problem: problem?.message ?? null, partitions: assignments.length },
    refused_batch:
      stuck === undefined
        ? null
        : { batch: stuck.batch, code: stuck.code, problem: stuck.reason, seconds: Math.floor(stuck.forMs / 1_000) },
    registry_fingerprint: registryFingerprint,
  };
  return { ready, body };
}

/** Why the store can't be reached; undefined when it can. */
async function pingProblem({ store, pingTimeoutMs = PING_TIMEOUT_MS }: IngestReadinessOptions) {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((tell) => {
    timer = setTimeout(() => tell(`The store did not answer within ${pingTimeoutMs} ms.`), pingTimeoutMs);
  });
  try {
    return await Promise.race([store.ping().then(() => undefined, reasonOf), late]);
  } finally {
    clearTimeout(timer);
  }
}
