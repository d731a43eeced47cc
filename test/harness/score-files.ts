/**
 * A project whose load takes long enough to be disturbed: a view of scores over several Parquet files, with entities
 * that come in many of them, ties and a few bad rows, all made from a seed; and what a store holds of it.
 */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { seededRandom } from "../../bench/statistics.ts";
import { float32, int64 } from "../../features/field.ts";
import { compileDecodeValues } from "../../features/row-codec.ts";
import { readRowOrder } from "../../features/row-order.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { temporaryFolder } from "./project.ts";
import { CHECKOUT } from "./source-tree.ts";

const FILES = 6;
const FILE_ROWS = 12_000;
const ROW_GROUP_ROWS = 2_500;
const CUSTOMERS = 20_000;
const HOUR_MS = 3_600_000;
/** The events' time: before any test's clock. */
const START_MS = Date.UTC(2026, 0, 1);

/** Rows of all files. */
export const SCORE_ROWS = FILES * FILE_ROWS;
/** A time after all events, as the command line takes it. */
export const SCORES_END = "2026-02-01T00:00:00Z";

const FEATURES = `
import { entity, featureService, featureView, fileSource, float32, int64 } from "headgate";

export const customer = entity("customer", { joinKeys: { customer_id: int64() } });
export const scores = featureView("scores", {
  entities: [customer],
  schema: { score: float32(), orders: int64() },
  source: fileSource({ path: "scores/*.parquet", timestampField: "event_ts", createdField: "created" }),
});
export const all = featureService("all", [scores]);
`;

/** Writes the project into a temporary folder; returns the folder. */
export function scoreProject(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "features"));
  mkdirSync(join(folder, "scores"));
  symlinkSync(join(CHECKOUT, "node_modules"), join(folder, "node_modules"));
  const config = `import { defineConfig } from "headgate";\n\nexport default defineConfig({ project: "scores" });\n`;
  writeFileSync(join(folder, "headgate.config.ts"), config);
  writeFileSync(join(folder, "features/scores.ts"), FEATURES);
  for (let file = 0; file < FILES; file++) {
    writeFileSync(join(folder, `scores/part-${file}.parquet`), scoreFile(seededRandom(file + 1)));
  }
  return folder;
}

function scoreFile(random: () => number): Buffer {
  const rows = Array.from({ length: FILE_ROWS }, () => {
    // Few hours, so that many rows of a customer tie and the created time or the row number decides.
    const event = BigInt(START_MS + Math.floor(random() * 12) * HOUR_MS) * 1_000n;
    const id = random() < 0.0002 ? null : BigInt(Math.floor(random() * CUSTOMERS));
    return { id, event, created: event + BigInt(Math.floor(random() * 3)), score: Math.fround(random()) };
  });
  const column = (name: string, type: "INT64" | "FLOAT") => ({ name, type, repetition_type: "OPTIONAL" as const });
  const time = (name: string) => ({ ...column(name, "INT64"), converted_type: "TIMESTAMP_MICROS" as const });
  return Buffer.from(
    parquetWriteBuffer({
      rowGroupSize: ROW_GROUP_ROWS,
      schema: [
        { name: "root", num_children: 5 },
        column("customer_id", "INT64"),
        column("score", "FLOAT"),
        column("orders", "INT64"),
        time("event_ts"),
        time("created"),
      ],
      columnData: [
        { name: "customer_id", data: rows.map(({ id }) => id) },
        { name: "score", data: rows.map(({ score }) => score) },
        { name: "orders", data: rows.map((_, i) => BigInt(i)) },
        { name: "event_ts", data: rows.map(({ event }) => event) },
        { name: "created", data: rows.map(({ created }) => created) },
      ],
    }),
  );
}

/** Every stored row of the view: its order and its values, which are all that a reader's answer depends on. */
export async function storedScores(store: OnlineStore): Promise<ReadonlyMap<string, string>> {
  const decode = compileDecodeValues([float32(), int64()]);
  const stored = new Map<string, string>();
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await store.scan("scores", 5_000, cursor);
    for (const { key, bytes } of page.rows) stored.set(key, JSON.stringify([readRowOrder(bytes), decode(bytes)]));
    cursor = page.cursor;
  }
  return stored;
}
