/**
 * A Feast team's move: `headgate import feast` on a repo that Feast applied, then Feast's own client (from PyPI) against
 * the gateway: loads, reads, writes, pushes, and the exceptions it rebuilds.
 */

import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteFile } from "hyparquet-writer";
import { beforeAll, describe, expect, test } from "vitest";
import { parseJson } from "../../features/json-text.ts";
import { headgate, run, serve, temporaryFolder } from "../harness/project.ts";
import { PYTHON_ENV_TIMEOUT_MS, PYTHON_MISSING, pythonEnv } from "../harness/python-env.ts";
import { CHECKOUT } from "../harness/source-tree.ts";

const REPO = join(CHECKOUT, "features/feast-import/fixtures/drivers");
const TOKEN = "a-token";
const PAST_DOUBLES = 2n ** 53n + 1n;
/** What the client waits, at the least, where it tries three times more. */
const RETRIED_SECONDS = 3;
const python = await pythonEnv("feast", ["feast[redis]==0.67.0"]);
const folder = temporaryFolder();

/** Rows of an hour ago, with a null, a NaN and a whole float. */
function writeSources(): void {
  const hourAgo = new Date(Date.now() - 3_600_000);
  const times = (count: number, name: string) => ({
    name,
    data: new Array(count).fill(hourAgo),
    type: "TIMESTAMP" as const,
  });
  mkdirSync(join(folder, "data"));
  parquetWriteFile({
    filename: join(folder, "data/driver_stats.parquet"),
    columnData: [
      { name: "driver_id", data: [1001n, 1002n, 1003n], type: "INT64" },
      { name: "conv_rate", data: [0.5, 0.25, null], type: "FLOAT" },
      { name: "acc_rate", data: [4, Number.NaN, 0.1], type: "DOUBLE" },
      { name: "avg_daily_trips", data: [7n, PAST_DOUBLES, null], type: "INT64" },
      times(3, "event_timestamp"),
      times(3, "created"),
    ],
  });
  const rates = [{ name: "eur_usd", data: [1.25], type: "DOUBLE" as const }, times(1, "event_timestamp")];
  parquetWriteFile({ filename: join(folder, "data/rates.parquet"), columnData: rates });
}

// biome-ignore lint/suspicious/noExplicitAny: what came of a step is looked at by assertions only
let told: Record<string, any>;

describe.skipIf(python === undefined)(`Feast's client (${PYTHON_MISSING} where this is skipped)`, () => {
  beforeAll(async () => {
    cpSync(REPO, folder, { recursive: true });
    writeSources();
    // Rows of its own store, as this is about the client: what Feast keeps in Redis has tests of its own.
    writeFileSync(join(folder, "feature_store.yaml"), "project: drivers\nregistry: registry.db\n");
    for (const words of [["import", "feast", "."], ["plan"], ["apply"]]) {
      const { exitCode, stderr } = await run(headgate(...words), folder);
      expect(exitCode, stderr).toBe(0);
    }
    const gateway = await serve(folder);
    const guarded = await serve(folder, { HEADGATE_ADMIN_TOKEN: TOKEN });
    const script = join(CHECKOUT, "test/journeys/feast-client.py");
    const client = await run([python!, script, folder, gateway.url, guarded.url, TOKEN], folder);
    expect(client.exitCode, client.stderr).toBe(0);
    told = parseJson(client.stdout.trim().split("\n").at(-1)!) as typeof told;
  }, PYTHON_ENV_TIMEOUT_MS);

  test("loads are asked of the gateway, and what they loaded is read with its statuses", () => {
    expect(told.materialize).toBeNull();
    expect(told.materialize_incremental).toBeNull();
    expect(told.loaded.values).toEqual({
      driver_id: [1001, 1002, 1003, 7],
      conv_rate: [0.5, 0.25, null, null],
      acc_rate: [4, "NaN", 0.1, null],
      avg_daily_trips: [7, PAST_DOUBLES, null, null],
    });
    expect(told.loaded.statuses).toEqual({
      driver_id: ["PRESENT", "PRESENT", "PRESENT", "PRESENT"],
      conv_rate: ["PRESENT", "PRESENT", "NULL_VALUE", "NOT_FOUND"],
      acc_rate: ["PRESENT", "PRESENT", "PRESENT", "NOT_FOUND"],
      avg_daily_trips: ["PRESENT", "PRESENT", "NULL_VALUE", "NOT_FOUND"],
    });
    expect(told.full_names).toEqual({ driver_id: [1001], driver_hourly_stats__conv_rate: [0.5] });
  });

  test("a gateway without a model prints a request for features, which works as pasted", async () => {
    const token = { HEADGATE_ADMIN_TOKEN: TOKEN };
    const gateway = await serve(folder, token);
    const pasted = await run(["bash", "-c", gateway.curl!], folder, token);
    expect(pasted.stdout, gateway.curl).toContain('"statuses":["PRESENT"]');
  });

  test("Python holds each value as what it is, whole floats too", () => {
    expect(told.types).toEqual({ driver_id: "int", conv_rate: "float", acc_rate: "float", avg_daily_trips: "int" });
  });

  test("what the client writes is read back exactly", () => {
    expect(told.write).toBeNull();
    expect(told.written.values).toEqual({
      driver_id: [1001, PAST_DOUBLES],
      conv_rate: [1, null],
      acc_rate: [0.1, 2.5],
      avg_daily_trips: [PAST_DOUBLES, -PAST_DOUBLES],
    });
    expect(told.written.statuses.conv_rate).toEqual(["PRESENT", "NULL_VALUE"]);
    expect(told.push).toBeNull();
    expect(told.pushed).toEqual({
      driver_id: [1001],
      ...{ trips: [5], nickname: ["Ann"], active: [true], last_seen: [0], embedding: [[0.5, 1]], tags: [["a", "b"]] },
    });
  });

  test("a service reads views by several keys, by one and by none", () => {
    expect(told.service.values).toEqual({
      driver_id: [1001, 1001],
      customer_id: ["c/1", "c/2"],
      conv_rate: [1, 1],
      avg_daily_trips: [PAST_DOUBLES, PAST_DOUBLES],
      spend: [12.5, null],
      eur_usd: [1.25, 1.25],
    });
    expect(told.service.statuses.spend).toEqual(["PRESENT", "NOT_FOUND"]);
    expect(told.half_a_key.statuses.spend).toEqual(["NOT_FOUND"]);
    expect(told.entityless.values).toEqual({ eur_usd: [1.25] });
  });

  test.each([
    ["unknown_view", "FeatureViewNotFoundException", "Feature view nowhere does not exist"],
    ["unknown_service", "FeatureServiceNotFoundException", "Feature service nowhere does not exist"],
    ["unknown_feature", "FeastError", 'has no feature "nothing"'],
    ["collision", "FeatureNameCollisionError", "would be named conv_rate"],
    ["no_key", "FeastError", '"entities" lacks driver_id'],
    ["wrong_key", "FeastError", 'entities.driver_id[0] is "abc"'],
    ["no_feature", "FeastError", "names no feature"],
    ["bad_write", "FeastError", "ahead of now"],
    ["no_token", "FeastPermissionError", "is for who has the admin token"],
    ["no_token_read", "FeastPermissionError", "are for who has the admin token"],
  ])("%s is raised as what it is, and not asked again", (step, kind, sentence) => {
    expect(told[step].raised).toBe(`feast.errors.${kind}`);
    expect(told[step].message).toContain(sentence);
    expect(told[step].seconds).toBeLessThan(RETRIED_SECONDS);
  });

  test("why a load failed is in the client's exception", () => {
    expect(told.bad_materialize.raised).toBe("builtins.RuntimeError");
    expect(told.bad_materialize.message).toContain("no file is at data/scalars.parquet");
  });

  test("the client sends an admin token as its own token", () => {
    expect(told.token).toBeNull();
    expect(told.token_read).toEqual({ driver_id: [1001], conv_rate: [1] });
  });
});
