import fc from "fast-check";
import { expect, test } from "vitest";
import { openLmdbStore } from "../features/store/lmdb.ts";
import { openMemoryStore } from "../features/store/memory.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { HOUR, openScoreProject, type ScoreRow, type StoredScore, T0 } from "./fixtures/score-project.ts";

const LAST_HOUR = 12;
const FILES = ["data/a.parquet", "data/b.parquet", "data/c.parquet"];

/** A row as it is drawn: which customer, when, and how it ranks among rows of the same time. */
const row = fc.record({ id: fc.nat(5), hour: fc.nat(LAST_HOUR), tie: fc.nat(2), bad: fc.boolean() });
const appended = fc.record({
  kind: fc.constant("append" as const),
  file: fc.nat(FILES.length - 1),
  rows: fc.array(row, { maxLength: 12 }),
  rowGroupSize: fc.integer({ min: 1, max: 5 }),
});
const incremental = fc.record({
  kind: fc.constant("incremental" as const),
  hour: fc.integer({ min: 1, max: LAST_HOUR }),
});
const interval = fc.record({
  kind: fc.constant("interval" as const),
  from: fc.nat(LAST_HOUR - 1),
  length: fc.integer({ min: 1, max: LAST_HOUR }),
});
const aborted = fc.record({ kind: fc.constant("aborted" as const), afterBatches: fc.nat(4) });
const steps = fc.array(fc.oneof({ weight: 3, arbitrary: appended }, incremental, interval, aborted), {
  minLength: 1,
  maxLength: 9,
});

const END = { incremental: true, endUs: T0 + (LAST_HOUR + 1) * HOUR } as const;

/** The obvious answer: of each customer's good rows the one that is last by event, created and row number. */
function naive(files: ReadonlyMap<string, readonly ScoreRow[]>): Record<string, StoredScore> {
  const latest: Record<string, StoredScore> = {};
  for (const rows of files.values()) {
    for (const [position, { id, at, created, score }] of rows.entries()) {
      if (id === null) continue;
      const candidate = { score, at: at!, created: created!, position };
      const other = latest[`customer_id=${id}`];
      const isNewer =
        other === undefined ||
        candidate.at > other.at ||
        (candidate.at === other.at && candidate.created > other.created) ||
        (candidate.at === other.at && candidate.created === other.created && position > other.position);
      if (isNewer) latest[`customer_id=${id}`] = candidate;
    }
  }
  return latest;
}

async function endsAsTheNaiveAnswer(openStore: (directory: string) => OnlineStore, drawn: Steps): Promise<void> {
  const project = await openScoreProject(openStore);
  const files = new Map<string, ScoreRow[]>();
  const settings = { maxBadRows: 1 };
  project.write("data/none.parquet", []);
  let score = 0;
  try {
    for (const step of drawn) {
      if (step.kind === "append") {
        const path = FILES[step.file]!;
        // A created time is one file's own: between files the order has nothing else to decide by.
        const rows = step.rows.map(({ id, hour, tie, bad }) => {
          const at = T0 + hour * HOUR;
          return { id: bad ? null : id, at, created: at + tie * FILES.length + step.file, score: score++ };
        });
        files.set(path, [...(files.get(path) ?? []), ...rows]);
        project.write(path, files.get(path)!, step.rowGroupSize);
      } else if (step.kind === "incremental") {
        await project.run({ range: { incremental: true, endUs: T0 + step.hour * HOUR }, settings, rangeRows: 3 });
      } else if (step.kind === "interval") {
        const startUs = T0 + step.from * HOUR;
        await project.run({ range: { startUs, endUs: startUs + step.length * HOUR }, settings });
      } else {
        const controller = new AbortController();
        let batches = 0;
        const onProgress = () => {
          if (batches++ === step.afterBatches) controller.abort();
        };
        await project.run({ range: END, settings, rangeRows: 2, writeRows: 3, signal: controller.signal, onProgress });
      }
    }
    const last = await project.runView({ range: END, settings });
    expect(last.status).toBe("done");
    expect(await project.stored()).toStrictEqual(naive(files));
    const again = await project.runView({ range: END, settings });
    expect(again).toMatchObject({ status: "done", rows_read: 0 });
  } finally {
    await project.close();
  }
}

type Steps = readonly (typeof steps extends fc.Arbitrary<infer Drawn> ? Drawn : never)[number][];

test("whatever ran before in whatever order, an incremental run ends as the naive answer", async () => {
  await fc.assert(
    fc.asyncProperty(steps, (drawn) => endsAsTheNaiveAnswer(() => openMemoryStore(), drawn)),
    { numRuns: 150 },
  );
});

test("the same on LMDB", async () => {
  await fc.assert(
    fc.asyncProperty(steps, (drawn) => endsAsTheNaiveAnswer((directory) => openLmdbStore({ directory }), drawn)),
    { numRuns: 15 },
  );
});
