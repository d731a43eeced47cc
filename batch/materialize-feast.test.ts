import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { entity } from "../features/entity.ts";
import { featureView } from "../features/feature-view.ts";
import { float32, timestamp } from "../features/field.ts";
import { fileSource } from "../features/source.ts";
import { createFeastLayout } from "../features/store/feast-layout.ts";
import { openRedisStore } from "../features/store/redis.ts";
import { findRedis, startRedis } from "../test/harness/redis.ts";
import { hours, openScoreProject } from "./fixtures/score-project.ts";

const found = findRedis();
const JOIN_KEYS = { created: timestamp() };
const SCHEMA = { score: float32() };
const moment = entity("moment", { joinKeys: JOIN_KEYS });
const scores = featureView("scores", {
  entities: [moment],
  schema: SCHEMA,
  source: fileSource({ path: "data/*.parquet", timestampField: "event_ts" }),
});

describe.skipIf("missing" in found)("into a Redis in Feast's layout", () => {
  test("a row whose key has no form there is a bad row, and no other is lost with it", async () => {
    const { url } = await startRedis("program" in found ? found.program : "");
    const feastProject = `t${randomUUID()}`;
    const views = new Map([["scores", { name: "scores", joinKeys: JOIN_KEYS, schema: SCHEMA }]]);
    const options = { project: feastProject, keyTtlSeconds: undefined, views };
    const store = await openRedisStore(url, {
      keyPrefix: feastProject,
      layout: (control) => createFeastLayout(control, options),
    });
    const project = await openScoreProject(() => store, [moment, scores]);
    project.write(
      "data/a.parquet",
      [0, 1, 2].map((i) => ({ id: i, at: hours(1), created: hours(i) + (i === 1 ? 1_500 : 0), score: i })),
    );
    const report = await project.runView({
      range: { incremental: true, endUs: hours(100) },
      settings: { maxBadRows: 0.5, onlineStoreLayout: "feast" },
    });
    expect(report).toMatchObject({ status: "done", rows_written: 2, rows_bad: 1 });
    expect(report.bad_samples).toEqual([
      expect.objectContaining({
        row: 1,
        reason: expect.stringMatching(/^join key "created" is 2026-01-01T01:00:00\.001500Z, and in Feast's layout/),
      }),
    ]);
    const keys = [0, 2].map((i) => `created=${hours(i)}`);
    expect(Object.keys(await project.stored()).sort()).toEqual(keys);
    await project.close();
  });
});
