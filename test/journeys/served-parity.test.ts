/**
 * Training/serving skew as it is found in operation: a gateway keeps what it serves, the files agree with it, and when a
 * value of the offline history is another, the command names the feature, the entity and both values.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { copyExample, headgate, run, serve } from "../harness/project.ts";

const project = copyExample();
const LOG = ".headgate/served";
const PARQUET = join(project, ".headgate", "customer_30d.parquet");
/** 20 in one request, 5 alone, and one that no file has. */
const TOGETHER = Array.from({ length: 20 }, (_, i) => ({ customer_id: i + 1 }));
const ALONE = [31, 32, 33, 34, 35];
const UNKNOWN = 999_999;
const SERVED = { HEADGATE_SERVED_LOG: LOG, HEADGATE_SERVED_LOG_SHARE: "1" };
const TIMEOUT_MS = 120_000;

// biome-ignore lint/suspicious/noExplicitAny: reports are looked at by assertions only
type Report = any;

const parity = async (...words: string[]): Promise<{ exitCode: number | null; report: Report }> => {
  const { exitCode, stdout, stderr } = await run(headgate("parity", "--served", "--json", ...words), project, SERVED);
  expect(stdout, stderr).not.toBe("");
  return { exitCode, report: JSON.parse(stdout) };
};

test("every served vector is in the log, whole", { timeout: TIMEOUT_MS }, async () => {
  expect((await run([process.execPath, "prepare.mjs"], project)).exitCode).toBe(0);
  expect((await run(headgate("apply"), project)).exitCode).toBe(0);
  expect((await run(headgate("materialize-incremental", "now"), project)).exitCode).toBe(0);
  const gateway = await serve(project, { ...SERVED, HEADGATE_SERVED_LOG_BATCH_ROWS: "10" });
  const ask = async (entities: unknown, requestId: string) => {
    const headers = { "content-type": "application/json", "x-request-id": requestId };
    const body = JSON.stringify({ model: "churn", entities });
    return (await fetch(`${gateway.url}/predict`, { method: "POST", headers, body })).status;
  };
  expect(await ask(TOGETHER, "together")).toBe(200);
  for (const customer_id of ALONE) expect(await ask({ customer_id }, `alone-${customer_id}`)).toBe(200);
  expect(await ask({ customer_id: UNKNOWN }, "unknown")).toBe(422);
  // A file's worth is written while the gateway serves, the rest when it stops.
  const isWritten = /^headgate_served_log_rows_total 20$/m;
  while (!isWritten.test(await (await fetch(`${gateway.url}/metrics`)).text()));
  gateway.signal("SIGTERM");
  expect((await gateway.ended).exitCode).toBe(0);
  const lines = logged().map((line) => JSON.parse(line));
  expect(lines.map(({ request_id }) => request_id)).toEqual([
    ...TOGETHER.map(() => "together"),
    ...ALONE.map((id) => `alone-${id}`),
    "unknown",
  ]);
  expect(lines[0]).toMatchObject({
    model: "churn",
    version: 1,
    feature_service: "churn_v1",
    entity: { customer_id: 1 },
  });
  expect(lines.at(-1).views.customer_30d_features).toMatchObject({ status: "NOT_FOUND", event_timestamp: null });
});

test("what was served is what the files say", { timeout: TIMEOUT_MS }, async () => {
  const { exitCode, report } = await parity();
  expect(report).toMatchObject({ ok: true, log: { vectors: 26, lines_bad: 0 }, skipped: [] });
  const [view] = report.views;
  expect(view).toMatchObject({ view: "customer_30d_features", served: 26, outcomes: { match: 25, absent: 1 } });
  expect(view.features.map((one: Report) => [one.feature.split(":")[1], one.compared, one.mismatched])).toEqual(
    ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"].map((field) => [field, 25, 0]),
  );
  expect(exitCode).toBe(0);
});

test("another value offline is a mismatch that is named", { timeout: TIMEOUT_MS }, async () => {
  const servedAov = JSON.parse(logged()[16]!).features["customer_30d_features:aov_30d"].value;
  await rewriteLast(17, "aov_30d", (aov) => aov + 1);
  const { exitCode, report } = await parity();
  expect(exitCode).toBe(1);
  expect(report.reason).toBe("customer_30d_features:aov_30d differs in 1 of 25 served values (4 %); at most 1 % may.");
  const wrong = report.views[0].features.filter((one: Report) => one.mismatched > 0);
  expect(wrong).toHaveLength(1);
  expect(wrong[0].examples).toMatchObject([
    { request_id: "together", entity: { customer_id: 17 }, outcome: "different", served: servedAov },
  ]);
  expect(wrong[0].examples[0].offline).toBe(Math.fround(servedAov + 1));
  const shown = await run(headgate(...wrong[0].examples[0].shown_by.split(" ").slice(1)), project);
  expect(shown.stdout).toContain(String(servedAov));
});

test("an interval without anything served is no pass, and one that is none is refused", {
  timeout: TIMEOUT_MS,
}, async () => {
  const { exitCode, report } = await parity("--from", "2020-01-01", "--to", "2020-01-02");
  expect([exitCode, report.ok, report.log.vectors]).toEqual([1, false, 0]);
  expect(report.reason).toContain("the served log has no file of that time");
  const backwards = await run(headgate("parity", "--served", "--from", "now", "--to", "2020-01-02"), project, SERVED);
  expect([backwards.exitCode, backwards.stderr]).toEqual([2, expect.stringContaining("[INTERVAL_INVALID]")]);
  const off = await run(headgate("parity", "--served"), project);
  expect([off.exitCode, off.stderr]).toEqual([1, expect.stringContaining("HEADGATE_SERVED_LOG")]);
});

/** The lines of all files of the log, in the order they were written. */
function logged(): readonly string[] {
  const numberOf = (name: string) => Number(/-(\d+)\.ndjson$/.exec(name)![1]);
  const names = readdirSync(join(project, LOG), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".ndjson"));
  const texts = names
    .sort((a, b) => numberOf(a) - numberOf(b))
    .map((name) => readFileSync(join(project, LOG, name), "utf8"));
  return texts.join("").trimEnd().split("\n");
}

/** Writes the file anew with one number of a customer's newest row changed. */
async function rewriteLast(customer: number, column: string, change: (value: number) => number): Promise<void> {
  const bytes = readFileSync(PARQUET);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const parsers = { timestampFromMicroseconds: (us: bigint) => us as never };
  const rows = (await parquetReadObjects({ file, parsers })) as Record<string, number | bigint>[];
  const own = rows.filter(({ customer_id }) => Number(customer_id) === customer);
  const last = own.reduce((latest, row) => (row.event_ts! > latest.event_ts! ? row : latest));
  last[column] = change(last[column] as number);
  const time = (name: string) => ({ name, type: "INT64" as const, converted_type: "TIMESTAMP_MICROS" as const });
  const names = Object.keys(rows[0]!);
  const typed = names.map((name) =>
    name === "event_ts" || name === "created"
      ? time(name)
      : { name, type: typeof rows[0]![name] === "bigint" ? ("INT64" as const) : ("FLOAT" as const) },
  );
  const schema = [
    { name: "root", num_children: names.length },
    ...typed.map((element) => ({ ...element, repetition_type: "REQUIRED" as const })),
  ];
  const columnData = names.map((name) => ({ name, data: rows.map((row) => row[name]) }));
  writeFileSync(PARQUET, Buffer.from(parquetWriteBuffer({ schema, columnData })));
}
