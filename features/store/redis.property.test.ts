import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../test/harness/project.ts";
import { englishCollation, findRedis, startRedis } from "../../test/harness/redis.ts";
import { openLmdbStore } from "./lmdb.ts";
import { openMemoryStore } from "./memory.ts";
import type { OnlineStore, RowWrite } from "./online-store.ts";
import { openRedisStore } from "./redis.ts";
import { rowBytes, scanAll } from "./test-fixtures/rows.ts";

const found = findRedis();
const program = "program" in found ? found.program : "";

const WIDE_ORDER = fc.record({
  // Both sides of every length of an encoded number, where comparing by locale or by sign goes wrong.
  eventTimestampUs: fc.oneof(
    fc.integer({ min: -300, max: 300 }),
    fc.maxSafeInteger(),
    fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, 1.7e15),
  ),
  createdTimestampUs: fc.constantFrom(0, 127, 128, 1.7e15),
  generation: fc.nat(1),
  sourceRank: fc.nat(1),
  position: fc.nat(300),
});
/** Few, so that rows of one order meet and their values decide. */
const TIED_ORDERS = [0, 1.7e15].map((at) => ({
  eventTimestampUs: at,
  createdTimestampUs: at,
  generation: 1,
  sourceRank: 1,
  position: 0,
}));
const VALUES_AFTER_HEADER = fc
  .tuple(
    fc.constantFrom([1, 1, 1], [0x80, 1, 2, 0xff, 0xff, 3]),
    fc.array(fc.constantFrom(0, 0x7f, 0x80, 0xff), { maxLength: 3 }),
  )
  .map(([header, values]) => Uint8Array.from([...header, ...values]));
const WRITE = fc.record({
  entity: fc.nat(3),
  field: fc.constantFrom("view", "other"),
  order: fc.oneof(WIDE_ORDER, fc.constantFrom(...TIED_ORDERS)),
  payload: fc.option(fc.oneof(fc.uint8Array({ maxLength: 80 }), VALUES_AFTER_HEADER), { nil: undefined }),
  isReplace: fc.boolean(),
});
const BATCHES = fc.array(fc.array(WRITE, { maxLength: 12 }), { minLength: 1, maxLength: 8 });

describe.skipIf("missing" in found)("memory, LMDB and Redis", () => {
  let stores: readonly OnlineStore[] = [];
  beforeAll(async () => {
    const english = englishCollation();
    const [plain, collating] = await Promise.all([
      startRedis(program),
      startRedis(program, "environment" in english ? english : {}),
    ]);
    const redis = [plain, collating].map(({ url }) => openRedisStore(url, { keyPrefix: "p" }));
    stores = [openMemoryStore(), openLmdbStore({ directory: temporaryFolder() }), ...(await Promise.all(redis))];
  });
  afterAll(() => Promise.all(stores.map((store) => store.close())));

  it("tell the same of the same writes and end with the same rows", { timeout: 90_000 }, async () => {
    const property = fc.asyncProperty(BATCHES, async (batches) => {
      const run = randomUUID();
      const told = await Promise.all(stores.map((store) => tell(store, run, batches)));
      for (const one of told) expect(one).toEqual(told[0]);
    });
    await fc.assert(property, { numRuns: 40 });
    const scans = await Promise.all(stores.map(async (store) => scanAll(store, "view", 500)));
    for (const scan of scans) expect(scan).toEqual(scans[0]);
  });
});

/** Runs the batches on a store: all outcomes, then all rows. */
async function tell(store: OnlineStore, run: string, batches: readonly (readonly Write[])[]): Promise<unknown> {
  const outcomes: unknown[] = [];
  for (const batch of batches) {
    const rows = batch.map((write) => ({ ...rowOf(write, run), isReplace: write.isReplace }));
    outcomes.push(await store.write(rows));
    for (const row of rows.filter(({ isReplace }) => isReplace)) {
      const stored = await read(store, row.key, row.field);
      outcomes.push(await store.replace({ ...row, bytes: rowBytes({}, "repaired") }, stored?.subarray(0, 20)));
      outcomes.push(await store.replace(row, stored));
    }
  }
  const keys = [0, 1, 2, 3].map((entity) => `${run}=${entity}`);
  const entities = await store.read(keys.map((key) => ({ key, fields: ["view", "other"] })));
  return {
    outcomes,
    rows: entities.map(({ rows }) => rows.map((row) => row && Buffer.from(row.bytes).toString("hex"))),
  };
}
type Write = typeof WRITE extends fc.Arbitrary<infer T> ? T : never;

function rowOf({ entity, field, order, payload }: Write, run: string): RowWrite {
  return { key: `${run}=${entity}`, field, bytes: rowBytes(order, payload), expireAtMs: Number.POSITIVE_INFINITY };
}

async function read(store: OnlineStore, key: string, field: string): Promise<Uint8Array | undefined> {
  return (await store.read([{ key, fields: [field] }]))[0]?.rows[0]?.bytes;
}
