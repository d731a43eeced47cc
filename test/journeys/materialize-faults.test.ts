/**
 * What can go wrong around a load, met by the real command: a store that goes away in its middle and comes back, or does
 * not; a second load of the same view; very many small files; a damaged file among sound ones.
 */

import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { openOnlineStore } from "../../features/store/open.ts";
import { headgate, run, start, temporaryFolder } from "../harness/project.ts";
import { findRedis, type RedisServer, startRedis, until } from "../harness/redis.ts";
import { SCORE_ROWS, SCORES_END, scoreProject, storedScores } from "../harness/score-files.ts";

const TEST_TIMEOUT_MS = 120_000;
const SMALL_FILES = 1_500;
const LOAD = ["materialize-incremental", SCORES_END, "--json"];
/** A load takes some four seconds, so that there is a middle. */
const SLOW = ["--max-rows-per-second", String(Math.ceil(SCORE_ROWS / 4))];

const found = findRedis();
const absent = "missing" in found ? ` (${found.missing})` : "";
const project = scoreProject();

interface Told {
  readonly views: readonly {
    readonly status: string;
    readonly checkpoint: string | null;
    readonly error?: { readonly code: string };
  }[];
}

const told = (stdout: string) => (JSON.parse(stdout) as Told).views[0]!;

async function apply(address: string, folder = project): Promise<void> {
  const { exitCode, stderr } = await run(headgate("apply"), folder, { HEADGATE_ONLINE_STORE: address });
  expect(exitCode, stderr).toBe(0);
}

async function rowsOf(address: string): Promise<ReadonlyMap<string, string>> {
  const store = await openOnlineStore(address, { projectDirectory: project, project: "scores" });
  try {
    return await storedScores(store);
  } finally {
    await store.close();
  }
}

describe.skipIf("missing" in found)(`on a Redis that fails${absent}`, () => {
  let server: RedisServer;
  let unbroken: ReadonlyMap<string, string>;

  beforeAll(async () => {
    const address = `lmdb:${temporaryFolder()}`;
    await apply(address);
    expect((await run(headgate(...LOAD), project, { HEADGATE_ONLINE_STORE: address })).exitCode).toBe(0);
    unbroken = await rowsOf(address);
  }, TEST_TIMEOUT_MS);

  const begin = async (leaseTtl: string) => {
    // What it has acknowledged is there after a restart.
    const settings = ["--appendonly", "yes", "--appendfsync", "always"];
    server = await startRedis("program" in found ? found.program : "", { settings });
    await apply(server.url);
    const environment = { HEADGATE_ONLINE_STORE: server.url, HEADGATE_LEASE_TTL: leaseTtl };
    const loading = start(headgate(...LOAD, ...SLOW), project, environment);
    await until("the load is at work", async () => Number(await server.command("DBSIZE")) > 1_000);
    return loading;
  };
  afterEach(() => server.stop());

  test(
    "a restart in mid-load is ridden out",
    async () => {
      const loading = await begin("60s");
      await server.stop();
      await server.restart();
      const { exitCode, stdout, stderr } = await loading.ended;
      expect(exitCode, stdout + stderr).toBe(0);
      expect(told(stdout)).toMatchObject({ status: "done", checkpoint: "2026-02-01T00:00:00.000Z" });
      expect(await rowsOf(server.url)).toEqual(unbroken);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "one that stays away fails the load clearly, its checkpoint unmoved, and the next load ends as if nothing had been",
    async () => {
      const loading = await begin("2s");
      await server.stop();
      const { exitCode, stdout } = await loading.ended;
      expect(exitCode).toBe(1);
      expect(told(stdout)).toMatchObject({ status: "failed", checkpoint: null, error: { code: "STORE_UNREACHABLE" } });
      await server.restart();
      const again = await run(headgate(...LOAD), project, { HEADGATE_ONLINE_STORE: server.url });
      expect(again.exitCode, again.stdout + again.stderr).toBe(0);
      expect(await rowsOf(server.url)).toEqual(unbroken);
    },
    TEST_TIMEOUT_MS,
  );
});

test.each([
  [["now", "--shard", "1/2"], /--shard needs absolute times/],
  [[SCORES_END, "--shard", "3/2"], /write which shard this is, from 1/],
  [[SCORES_END, "--restart"], /give it together with --shard/],
  [[SCORES_END, "--max-rows-per-second", "fast"], /--max-rows-per-second is "fast"; give a whole number/],
  [[SCORES_END, "--max-bad-rows", "1"], /--max-bad-rows is "1"; give a share below 1/],
])("materialize-incremental %j is wrong usage", async (words, sentence) => {
  const { exitCode, stderr } = await run(headgate("materialize-incremental", ...words), project);
  expect(stderr).toMatch(sentence);
  expect(exitCode).toBe(2);
});

test(
  "a second load of the view says who is at it, and leaves",
  async () => {
    const address = `lmdb:${temporaryFolder()}`;
    await apply(address);
    const environment = { HEADGATE_ONLINE_STORE: address };
    const first = start(headgate(...LOAD, ...SLOW), project, environment);
    const store = await openOnlineStore(address, { projectDirectory: project, project: "scores" });
    await until("the first has its lease", async () => (await store.control.get("lease/scores")) !== undefined);
    const second = await run(headgate("materialize-incremental", SCORES_END), project, environment);
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toMatch(/"scores" is being materialized by process \d+ on .*\[MATERIALIZE_RUNNING\]/);
    expect((await first.ended).exitCode).toBe(0);
    await store.close();
  },
  TEST_TIMEOUT_MS,
);

test(
  `${SMALL_FILES} small files are one load, and one damaged file among them is named before a row is written`,
  async () => {
    const folder = scoreProject();
    const [sound] = readdirSync(join(folder, "scores"));
    const small = join(folder, "scores", sound!);
    writeFileSync(join(folder, "small.mjs"), SMALL_FILE);
    expect((await run([process.execPath, "small.mjs", small], folder)).exitCode).toBe(0);
    for (let i = 0; i < SMALL_FILES; i++) cpSync(small, join(folder, `scores/small-${i}.parquet`));
    const address = `lmdb:${temporaryFolder()}`;
    await apply(address, folder);
    const environment = { HEADGATE_ONLINE_STORE: address };
    const damaged = join(folder, "scores/small-700.parquet");
    writeFileSync(damaged, "PAR1 and no more");
    const refused = await run(headgate("materialize-incremental", SCORES_END), folder, environment);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/scores\/small-700\.parquet can't be read as Parquet/);
    expect((await rowsOf(address)).size).toBe(0);
    cpSync(small, damaged);
    const { exitCode, stdout, stderr } = await run(headgate(...LOAD), folder, environment);
    expect(exitCode, stdout + stderr).toBe(0);
    expect(told(stdout)).toMatchObject({ status: "done", files: SMALL_FILES + 6 });
    const again = await run(headgate(...LOAD), folder, environment);
    expect(told(again.stdout)).toMatchObject({ status: "done", files: 0, files_skipped: SMALL_FILES + 6 });
  },
  TEST_TIMEOUT_MS,
);

const SMALL_FILE = `
import { writeFileSync } from "node:fs";
import { parquetWriteBuffer } from "hyparquet-writer";
const time = { type: "INT64", converted_type: "TIMESTAMP_MICROS", repetition_type: "REQUIRED" };
const at = BigInt(Date.UTC(2026, 0, 1)) * 1000n;
writeFileSync(process.argv[2], Buffer.from(parquetWriteBuffer({
  schema: [
    { name: "root", num_children: 5 },
    { name: "customer_id", type: "INT64", repetition_type: "REQUIRED" },
    { name: "score", type: "FLOAT", repetition_type: "REQUIRED" },
    { name: "orders", type: "INT64", repetition_type: "REQUIRED" },
    { name: "event_ts", ...time },
    { name: "created", ...time },
  ],
  columnData: [
    { name: "customer_id", data: [1n, 2n, 3n] },
    { name: "score", data: [1, 2, 3] },
    { name: "orders", data: [1n, 2n, 3n] },
    { name: "event_ts", data: [at, at, at] },
    { name: "created", data: [at, at, at] },
  ],
})));
`;
