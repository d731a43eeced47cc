import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { int64 } from "../../features/field.ts";
import { compileFeastKeys, type FeastKeys } from "../../features/store/feast-key.ts";
import { createFeastLayout } from "../../features/store/feast-layout.ts";
import { compileFeastRows } from "../../features/store/feast-row.ts";
import { encodeFeastTime } from "../../features/store/feast-timestamp.ts";
import { compileFeastValues } from "../../features/store/feast-value.ts";
import { openRedisStore } from "../../features/store/redis.ts";
import { findRedis, startRedis } from "../../test/harness/redis.ts";
import {
  hoursAgo,
  openParityProject,
  type ParityProject,
  WIDE,
  WIDE_SCHEMA,
  wideValues,
} from "./fixtures/parity-project.ts";
import { racing } from "./fixtures/racing-store.ts";

const found = findRedis();
const VIEW = { name: WIDE, joinKeys: { customer_id: int64() }, schema: WIDE_SCHEMA };
const VALUES = Object.values(WIDE_SCHEMA).map(compileFeastValues);
const { features } = compileFeastRows(VIEW);

describe.skipIf("missing" in found)("on a Redis that Feast writes into", () => {
  let url: string;
  let client: Redis;
  let keys: FeastKeys;
  let project: ParityProject;
  beforeAll(async () => {
    ({ url } = await startRedis("program" in found ? found.program : ""));
    client = new Redis(url);
  });
  beforeEach(async () => {
    const feastProject = `t${randomUUID()}`;
    const options = { project: feastProject, keyTtlSeconds: undefined, views: new Map([[WIDE, VIEW]]) };
    keys = compileFeastKeys(VIEW.joinKeys, feastProject);
    project = await openParityProject(() =>
      openRedisStore(url, { keyPrefix: feastProject, layout: (control) => createFeastLayout(control, options) }),
    );
  });
  afterEach(() => project.close());
  afterAll(() => client.disconnect());

  /** Our rows of hour 20. */
  const load = async (ids: readonly number[]) => {
    project.write(
      "data/all.parquet",
      ids.map((id) => ({ id, at: hoursAgo(20), created: hoursAgo(20), values: wideValues(id) })),
    );
    await project.materialize();
  };

  /** As Feast does without looking at what is there. */
  const feastWrites = async (id: number, hours: number, values = wideValues(id)) => {
    const fields = features.map((field, i) => [Buffer.from(field, "latin1"), VALUES[i]!.encode(values[i]!)] as const);
    const time = [`_ts:${WIDE}`, encodeFeastTime(hoursAgo(hours))] as const;
    const pairs = [time, ...fields].flatMap(([field, value]) => [field, Buffer.from(value)]);
    await client.hset(Buffer.from(keys.keyOf(`customer_id=${id}`)!, "latin1"), ...pairs);
  };

  test("what Feast wrote over ours is named so and mended, but for what it wrote later", async () => {
    await load([1, 2, 3, 4, 5, 6]);
    await feastWrites(2, 20);
    await feastWrites(3, 20, wideValues(30));
    await feastWrites(4, 30);
    await feastWrites(5, 8, wideValues(50));
    await feastWrites(6, -24, wideValues(60));
    // No file has this one.
    await feastWrites(7, 8);

    const judged = await project.runView({ repair: "plan" });
    expect(judged.outcomes).toMatchObject({ match: 2, different: 2, stale: 1, newer: 2, extra: 0 });
    expect(judged.causes.map(({ cause, entities }) => [cause, entities])).toEqual([
      ["written_by_feast", 2],
      ["clock_skew", 1],
    ]);
    expect(judged.repair).toEqual({
      ...{ dry_run: true, written: 1, replaced: 2, left_newer: 0, left_extra: 0, overtaken: 0 },
    });
    const { repair } = await project.runView({ repair: "write" });
    expect(repair).toEqual({ ...judged.repair, dry_run: false });
    expect(await project.runView()).toMatchObject({
      ...{ verdict: "pass", compared: 5, causes: [] },
      outcomes: { match: 5, newer: 2, different: 0, stale: 0, extra: 0 },
    });
  });

  test("what Feast writes between the judgement and the repair is left alone, and counted", async () => {
    await load([1, 2, 3]);
    for (const id of [1, 2, 3]) await feastWrites(id, 20, wideValues(id * 10));
    const raced = racing(project.store, async () => {
      await feastWrites(2, 20, wideValues(21));
      await feastWrites(3, 8, wideValues(31));
    });
    const { repair } = await project.runView({ repair: "write", store: raced });
    expect(repair).toMatchObject({ written: 0, replaced: 1, overtaken: 2 });
    expect((await project.runView()).outcomes).toMatchObject({ match: 1, different: 1, newer: 1 });
  });
});
