/**
 * Outputs equal Python's: the rows that the example's script ran through onnxruntime there go through a Parquet file,
 * the online store and POST /predict here, and come out the same.
 */

import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { beforeAll, expect, test } from "vitest";
import { headgate, run, type ServedProject, serve, temporaryFolder } from "../harness/project.ts";
import { CHECKOUT } from "../harness/source-tree.ts";

interface Fixture {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly number[])[];
  readonly label: readonly number[];
  readonly probabilities: readonly (readonly number[])[];
}

const EXAMPLE = join(CHECKOUT, "examples", "churn");
const TOLERANCE = 1e-6;
const ENTITIES_A_REQUEST = 400;
const fixture = JSON.parse(readFileSync(join(EXAMPLE, "fixtures", "predictions.json"), "utf8")) as Fixture;
let gateway: ServedProject;

beforeAll(async () => {
  const project = temporaryFolder();
  for (const part of ["features", "models", "headgate.config.ts"]) {
    cpSync(join(EXAMPLE, part), join(project, part), { recursive: true });
  }
  symlinkSync(join(CHECKOUT, "node_modules"), join(project, "node_modules"));
  mkdirSync(join(project, ".headgate"));
  writeFileSync(join(project, ".headgate", "customer_30d.parquet"), Buffer.from(parquetOf(fixture)));
  for (const words of [["apply"], ["materialize-incremental", "now"]]) {
    const { exitCode, stderr } = await run(headgate(...words), project);
    expect(exitCode, stderr).toBe(0);
  }
  gateway = await serve(project);
});

test("the fixture has a thousand rows and more", () => {
  expect(fixture.rows.length).toBeGreaterThanOrEqual(1_000);
});

test("POST /predict answers what onnxruntime answers in Python", async () => {
  let worst = 0;
  for (let first = 0; first < fixture.rows.length; first += ENTITIES_A_REQUEST) {
    const asked = fixture.rows.slice(first, first + ENTITIES_A_REQUEST).map((_, i) => ({ customer_id: first + i }));
    const response = await fetch(`${gateway.url}/predict`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "churn", entities: asked }),
    });
    const { predictions } = (await response.json()) as { predictions: { label: number; probabilities: number[] }[] };
    expect(predictions.map((one) => one.label)).toEqual(fixture.label.slice(first, first + ENTITIES_A_REQUEST));
    for (const [i, { probabilities }] of predictions.entries()) {
      const differences = fixture.probabilities[first + i]!.map((expected, k) =>
        Math.abs(expected - probabilities[k]!),
      );
      worst = Math.max(worst, ...differences);
    }
  }
  expect(worst).toBeLessThanOrEqual(TOLERANCE);
});

/** The fixture's rows as last night's file: row i is customer i. */
function parquetOf({ columns, rows }: Fixture): ArrayBuffer {
  const lastMidnightMs = Math.floor(Date.now() / 86_400_000) * 86_400_000;
  const timestamps = rows.map(() => new Date(lastMidnightMs));
  const integer = (name: string) => name === "orders_30d";
  return parquetWriteBuffer({
    columnData: [
      { name: "customer_id", data: rows.map((_, i) => BigInt(i)), type: "INT64" },
      ...columns.map((name, c) =>
        integer(name)
          ? { name, data: rows.map((row) => BigInt(row[c]!)), type: "INT64" as const }
          : { name, data: rows.map((row) => row[c]!), type: "FLOAT" as const },
      ),
      { name: "event_ts", data: timestamps, type: "TIMESTAMP" },
      { name: "created", data: timestamps, type: "TIMESTAMP" },
    ],
  });
}
