/**
 * Dates the example's data so that its newest snapshot is last night's, and says so.
 *
 * The data is of 2017 and the view's ttl is two days: as it is, every value would rightly be OUTSIDE_MAX_AGE. All event
 * and created times are moved by the same number of whole days; nothing else is changed. A second run on the same day
 * finds the file in place and does nothing. A real project has no such step: its nightly job writes fresh files.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";

const SOURCE = new URL("data/customer_30d.parquet", import.meta.url);
const TARGET = new URL(".headgate/customer_30d.parquet", import.meta.url);
const STAMP = new URL(".headgate/customer_30d.stamp", import.meta.url);
const DAY_MS = 86_400_000;
/** The nightly job writes a midnight's snapshot two hours later. */
const NIGHTLY_DELAY_MS = 2 * 3_600_000;

const source = readFileSync(SOURCE);
const buffer = source.buffer.slice(source.byteOffset, source.byteOffset + source.byteLength);
const metadata = parquetMetadata(buffer);
const newestMs = newestEventMs(metadata);
const lastNightMs = Math.floor((Date.now() - NIGHTLY_DELAY_MS) / DAY_MS) * DAY_MS;
const shiftMs = lastNightMs - newestMs;
const stamp = `${createHash("sha256").update(source).digest("hex")} moved by ${shiftMs / DAY_MS} days\n`;

if (existsSync(TARGET) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp) {
  console.log(`The newest snapshot already is last night's, ${day(lastNightMs)}.`);
} else {
  mkdirSync(new URL(".headgate/", import.meta.url), { recursive: true });
  const part = new URL(".headgate/customer_30d.parquet.part", import.meta.url);
  writeFileSync(part, await moved());
  renameSync(part, TARGET);
  writeFileSync(STAMP, stamp);
  console.log(
    `The data ends on ${day(newestMs)}; moved all event times by ${shiftMs / DAY_MS} days, so that the newest snapshot is last night's, ${day(lastNightMs)}.`,
  );
}

/** The whole file again with both timestamps moved. */
async function moved() {
  const rows = await parquetReadObjects({ file: buffer, metadata, parsers: { timestampFromMicroseconds: (us) => us } });
  const shiftUs = BigInt(shiftMs) * 1_000n;
  const kept = (name) => ({ name, data: rows.map((row) => row[name]) });
  const shifted = (name) => ({ name, data: rows.map((row) => row[name] + shiftUs) });
  const schema = [
    { name: "root", num_children: 7 },
    { name: "customer_id", type: "INT64", repetition_type: "REQUIRED" },
    { name: "orders_30d", type: "INT64", repetition_type: "REQUIRED" },
    { name: "aov_30d", type: "FLOAT", repetition_type: "REQUIRED" },
    { name: "returns_rate_30d", type: "FLOAT", repetition_type: "REQUIRED" },
    { name: "time_since_last_d", type: "FLOAT", repetition_type: "REQUIRED" },
    timestampColumn("event_ts"),
    timestampColumn("created"),
  ];
  const columnData = [
    ...["customer_id", "orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"].map(kept),
    ...["event_ts", "created"].map(shifted),
  ];
  return Buffer.from(parquetWriteBuffer({ schema, columnData, rowGroupSize: 50_000 }));
}

/** Microseconds in UTC, as the source has them. */
function timestampColumn(name) {
  const logical_type = { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" };
  return { name, type: "INT64", repetition_type: "REQUIRED", converted_type: "TIMESTAMP_MICROS", logical_type };
}

/** The newest event time, from the footer's statistics. */
function newestEventMs({ row_groups: rowGroups }) {
  const newest = rowGroups.map(({ columns }) => {
    const chunk = columns.find((one) => one.meta_data.path_in_schema[0] === "event_ts");
    return Number(chunk.meta_data.statistics.max_value);
  });
  return Math.max(...newest);
}

function day(ms) {
  return new Date(ms).toISOString().slice(0, 10);
}
