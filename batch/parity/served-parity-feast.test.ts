import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { entity } from "../../features/entity.ts";
import { featureView } from "../../features/feature-view.ts";
import { float32, timestamp } from "../../features/field.ts";
import { createRegistry } from "../../features/registry.ts";
import { fileSource } from "../../features/source.ts";
import type { OnlineStoreLayout } from "../../features/store/key-refusal.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import { formatTimestampUs } from "../../features/timestamp.ts";
import { openObjectStore } from "../../object-store.ts";
import { hours, NOW_MS, openScoreProject } from "../fixtures/score-project.ts";
import { servedParity } from "./served-parity.ts";

const moment = entity("moment", { joinKeys: { created: timestamp() } });
const source = fileSource({ path: "data/*.parquet", timestampField: "event_ts" });
const moments = featureView("moments", { entities: [moment], schema: { score: float32() }, source });
const registry = createRegistry([moment, moments].map((definition) => ({ definition, file: "features.ts" })));

/** A line of the served log: the score of a moment, null where none was found. */
function line(created: number, score: number | null): string {
  const status = score === null ? "NOT_FOUND" : "PRESENT";
  const event_timestamp = score === null ? null : formatTimestampUs(hours(1));
  const told = {
    ...{ request_id: "r", served_at: formatTimestampUs(hours(2)), model: "churn", version: 2 },
    entity: { created: formatTimestampUs(created) },
    views: { moments: { status, event_timestamp, max_age_ms: null } },
    features: { "moments:score": { value: score, status } },
  };
  return `${JSON.stringify(told)}\n`;
}

test("a row that no materialization into Feast's layout takes is a bad row here, too, and no history", async () => {
  const project = await openScoreProject(() => openMemoryStore(), [moment, moments]);
  const objects = openObjectStore({ directory: project.directory });
  const [whole, part] = [hours(0), hours(0) + 1_500_000];
  project.write(
    "data/a.parquet",
    [whole, part].map((created) => ({ id: 1, at: hours(1), created, score: 1 })),
  );
  const hour = join(project.directory, "served/2026-01-01/02");
  mkdirSync(hour, { recursive: true });
  writeFileSync(join(hour, "a-0.ndjson"), line(whole, 1) + line(part, null));
  const compare = async (onlineStoreLayout: OnlineStoreLayout) => {
    const limits = { maxVectors: 10, maxMismatchShare: 0, minCompared: 1, maxFutureMs: 0, onlineStoreLayout };
    const interval = { startUs: hours(0), endUs: hours(72) };
    const options = { registry, objects, folder: "served", interval, now: () => NOW_MS, ...limits };
    return (await servedParity(options)).views[0]!;
  };
  expect(await compare("packed")).toMatchObject({ outcomes: { match: 1, missing: 1 }, offline_rows_bad: 0 });
  expect(await compare("feast")).toMatchObject({ outcomes: { match: 1, missing: 0 }, offline_rows_bad: 1 });
  await objects.close();
  await project.close();
});
