/**
 * What an entity takes in Redis: the rows of a nightly load as the store keeps them, and the same values in Feast's
 * layout, one after the other in the same server, emptied before each. Both expire. It is used_memory that grows: keys,
 * tables, expiries and the allocator's rounding are in it.
 */

import { feastKeys, feastRow } from "./feast-layout.ts";
import type { BenchRedis } from "./redis-server.ts";
import { seededRandom } from "./statistics.ts";
import { drawValues, SHAPES, type StoreShape } from "./store-rows.ts";
import type { StoreWorker } from "./store-worker-jobs.ts";

/** Entities of one round trip of Feast's layout. */
const FEAST_PIPELINE = 500;
const EXPIRY_SECONDS = 9 * 86_400;

/** Bytes per entity of used_memory. */
export interface StoreMemory {
  readonly shape: StoreShape;
  readonly entities: number;
  readonly rowBytes: number;
  readonly headgateBytes: number;
  readonly feastBytes: number;
  readonly ratio: number;
}

/** Measures a shape; the server is empty afterwards. */
export async function measureMemory(
  server: BenchRedis,
  worker: StoreWorker,
  shape: StoreShape,
  entities: number,
): Promise<StoreMemory> {
  const eventMs = Date.now() - 3_600_000;
  let rowBytes = 0;
  const headgateBytes = await grown(server, entities, async () => {
    ({ rowBytes } = await worker.ask("write", { url: server.url, prefix: "churn", shape, entities, eventMs }));
  });
  const feastBytes = await grown(server, entities, () => writeFeast(server, shape, entities, eventMs));
  return { shape, entities, rowBytes, headgateBytes, feastBytes, ratio: headgateBytes / feastBytes };
}

async function grown(server: BenchRedis, entities: number, write: () => Promise<void>): Promise<number> {
  await server.client.flushall("SYNC");
  const before = await usedMemory(server);
  await write();
  const keys = await server.client.dbsize();
  if (keys < entities) throw new Error(`${keys} keys are stored where ${entities} were written.`);
  const after = await usedMemory(server);
  await server.client.flushall("SYNC");
  return (after - before) / entities;
}

async function usedMemory({ client }: BenchRedis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))![1]);
}

async function writeFeast({ client }: BenchRedis, shape: StoreShape, entities: number, eventMs: number): Promise<void> {
  const random = seededRandom(1);
  const keyOf = feastKeys("customer_id", "churn");
  for (let from = 0; from < entities; from += FEAST_PIPELINE) {
    const pipeline = client.pipeline();
    for (let id = from; id < Math.min(entities, from + FEAST_PIPELINE); id++) {
      const key = keyOf(id);
      // Feast writes view by view, and renews the expiry with each.
      for (const view of SHAPES[shape]) pipeline.hset(key, ...feastRow(view, drawValues(view, random), eventMs));
      pipeline.expire(key, EXPIRY_SECONDS);
    }
    await pipeline.exec();
  }
}
