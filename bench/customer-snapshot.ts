/**
 * A Parquet file of the churn example's view at any size: one row per customer, all of the same event time, written row
 * group by row group so that a large file needs no large memory. Customers come in an order made from a seed: a store
 * that is written in the order of its keys is twice as quick, and a nightly export is in no such order.
 */

import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { seededRandom, shuffledIds } from "./statistics.ts";

/** Rows in one row group, as Parquet writers usually make them. */
export const ROW_GROUP_ROWS = 100_000;

/** What to write. */
export interface Snapshot {
  readonly file: string;
  /** Customers 1 … rows. */
  readonly rows: number;
  /** Epoch ms; rows are created an hour later. */
  readonly eventMs: number;
  readonly seed: number;
}

const required = (name: string, type: "INT64" | "FLOAT") => ({ name, type, repetition_type: "REQUIRED" as const });
const timestamp = (name: string) => ({
  ...required(name, "INT64"),
  converted_type: "TIMESTAMP_MICROS" as const,
  logical_type: { type: "TIMESTAMP" as const, isAdjustedToUTC: true, unit: "MICROS" as const },
});

const SCHEMA = [
  { name: "root", num_children: 7 },
  required("customer_id", "INT64"),
  required("orders_30d", "INT64"),
  required("aov_30d", "FLOAT"),
  required("returns_rate_30d", "FLOAT"),
  required("time_since_last_d", "FLOAT"),
  timestamp("event_ts"),
  timestamp("created"),
];

/** Writes the file. */
export async function writeSnapshot({ file, rows, eventMs, seed }: Snapshot): Promise<void> {
  const ids = shuffledIds(rows, seed);
  const random = seededRandom(seed);
  const writer = new ParquetWriter({ writer: fileWriter(file), schema: SCHEMA });
  for (let start = 0; start < rows; start += ROW_GROUP_ROWS) {
    const group = ids.subarray(start, Math.min(rows, start + ROW_GROUP_ROWS));
    const column = <Value>(ofCustomer: (id: number) => Value) => Array.from(group, ofCustomer);
    const columnData = [
      { name: "customer_id", data: column(BigInt) },
      { name: "orders_30d", data: column(() => BigInt(Math.floor(random() * 20))) },
      { name: "aov_30d", data: column(() => Math.fround(random() * 100)) },
      { name: "returns_rate_30d", data: column(() => Math.fround(random() * 0.2)) },
      { name: "time_since_last_d", data: column(() => Math.fround(random() * 60)) },
      { name: "event_ts", data: column(() => BigInt(eventMs) * 1_000n) },
      { name: "created", data: column(() => BigInt(eventMs + 3_600_000) * 1_000n) },
    ];
    await writer.write({ columnData, rowGroupSize: ROW_GROUP_ROWS });
  }
  await writer.finish();
}
