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
  /** Columns that may be null, as pandas and Spark always write them, though none is; they take longer to decode. */
  readonly isNullable?: boolean;
}

const column = (name: string, type: "INT64" | "FLOAT") => ({ name, type });
const timestamp = (name: string) => ({
  ...column(name, "INT64"),
  converted_type: "TIMESTAMP_MICROS" as const,
  logical_type: { type: "TIMESTAMP" as const, isAdjustedToUTC: true, unit: "MICROS" as const },
});

const COLUMNS = [
  column("customer_id", "INT64"),
  column("orders_30d", "INT64"),
  column("aov_30d", "FLOAT"),
  column("returns_rate_30d", "FLOAT"),
  column("time_since_last_d", "FLOAT"),
  timestamp("event_ts"),
  timestamp("created"),
];

/** Writes the file. */
export async function writeSnapshot({ file, rows, eventMs, seed, isNullable = false }: Snapshot): Promise<void> {
  const ids = shuffledIds(rows, seed);
  const random = seededRandom(seed);
  const repetition_type = isNullable ? ("OPTIONAL" as const) : ("REQUIRED" as const);
  const columns = COLUMNS.map((column) => ({ ...column, repetition_type }));
  const schema = [{ name: "root", num_children: columns.length }, ...columns];
  const writer = new ParquetWriter({ writer: fileWriter(file), schema });
  for (let start = 0; start < rows; start += ROW_GROUP_ROWS) {
    const group = ids.subarray(start, Math.min(rows, start + ROW_GROUP_ROWS));
    const valuesOf = <Value>(ofCustomer: (id: number) => Value) => Array.from(group, ofCustomer);
    const columnData = [
      { name: "customer_id", data: valuesOf(BigInt) },
      { name: "orders_30d", data: valuesOf(() => BigInt(Math.floor(random() * 20))) },
      { name: "aov_30d", data: valuesOf(() => Math.fround(random() * 100)) },
      { name: "returns_rate_30d", data: valuesOf(() => Math.fround(random() * 0.2)) },
      { name: "time_since_last_d", data: valuesOf(() => Math.fround(random() * 60)) },
      { name: "event_ts", data: valuesOf(() => BigInt(eventMs) * 1_000n) },
      { name: "created", data: valuesOf(() => BigInt(eventMs + 3_600_000) * 1_000n) },
    ];
    await writer.write({ columnData, rowGroupSize: ROW_GROUP_ROWS });
  }
  await writer.finish();
}
