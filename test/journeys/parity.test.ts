/**
 * `headgate parity` and the nightly's part of it as processes: a verdict by exit code, what differs shown by commands that
 * work when they are pasted, and put right by a repair.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { isSampled, keyHash } from "../../batch/parity/key-hash.ts";
import { parity } from "../../commands/parity.ts";
import { readRowOrder } from "../../features/row-order.ts";
import { openLmdbStore } from "../../features/store/lmdb.ts";
import { copyExample, headgate, run, serve } from "../harness/project.ts";

const VIEW = "customer_30d_features";
// Several processes a test, each of which reads the example's file.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const project = copyExample();

beforeAll(async () => {
  await run([process.execPath, "prepare.mjs"], project);
  await run(headgate("apply"), project);
});

test("before anything is materialized it fails and says what to do", async () => {
  const { exitCode, stdout } = await run(headgate("parity"), project);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^customer_30d_features: fail\. .*headgate materialize-incremental now/);
});

test("a nightly run compares what it loaded", async () => {
  const { exitCode, stdout } = await run(headgate("nightly", "--json"), project);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    status: "done",
    steps: { materialize: [{ view: VIEW, status: "done" }], parity: [{ view: VIEW, status: "done", verdict: "pass" }] },
  });
  const off = await run(headgate("nightly", "--json"), project, { HEADGATE_NIGHTLY_PARITY: "off" });
  expect(Object.keys(JSON.parse(off.stdout).steps)).toEqual(["materialize"]);
});

test("a loaded view passes, and the report is where it is said to be", async () => {
  const { exitCode, stdout, stderr } = await run(headgate("parity"), project);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /^customer_30d_features: pass\. [\d,]+ entities compared by the latest row of each, all equal\.\n$/,
  );
  const [, page] = /^The report is (\S+)\.$/m.exec(stderr)!;
  expect(readFileSync(join(project, page!), "utf8")).toContain(VIEW);
});

test("a verdict of the command makes a gateway ready that asks for a recent one", async () => {
  const gateway = await serve(project, { HEADGATE_READY_PARITY: "1h" });
  const ready = await fetch(`${gateway.url}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([200, { status: "ready", parity_problem: null }]);
  gateway.signal("SIGTERM");
  await gateway.ended;
});

test("an interrupted run says what stays of it", async () => {
  let [told, seconds] = ["", 0];
  const stderr = {
    isTTY: true,
    write: (text: string) => {
      // Interrupted at the first sign of progress.
      if (told === "") process.emit("SIGINT");
      told += text;
    },
  } as unknown as NodeJS.WriteStream;
  const context = { projectDirectory: project, json: false, environment: process.env, stdout: process.stdout };
  const before = process.listenerCount("SIGINT");
  expect(await parity({ ...context, stderr, now: () => Date.now() + 1_000 * seconds++ }, {})).toBe(1);
  expect(told).toContain(
    "Interrupted: views that were done keep their verdicts, rows already repaired stay repaired.\n",
  );
  expect(process.listenerCount("SIGINT")).toBe(before);
});

test("an interrupted run of what was served is told as such, not as a fault", async () => {
  const nowMs = Date.UTC(2026, 0, 2, 12);
  mkdirSync(join(project, "served/2026-01-02/11"), { recursive: true });
  writeFileSync(join(project, "served/2026-01-02/11/gateway-1.ndjson"), "{}\n");
  let told = "";
  const stderr = { write: (text: string) => (told += text) } as unknown as NodeJS.WriteStream;
  const environment = { ...process.env, HEADGATE_SERVED_LOG: "served" };
  const context = { projectDirectory: project, json: false, environment, stdout: process.stdout, stderr };
  const before = process.listenerCount("SIGINT");
  const now = () => {
    process.emit("SIGINT");
    return nowMs;
  };
  expect(await parity({ ...context, now }, { served: true })).toBe(1);
  expect(told).toBe("Interrupted: nothing was written.\n");
  expect(process.listenerCount("SIGINT")).toBe(before);
});

test("values that differ are found, shown by a command, and put back", async () => {
  const store = openLmdbStore({ directory: join(project, ".headgate/online") });
  const { rows } = await store.scan(VIEW, 3);
  for (const { key, bytes } of rows) {
    // A bit of the last value, as by a writer's fault.
    const altered = Uint8Array.from(bytes, (byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
    expect(readRowOrder(altered)).toEqual(readRowOrder(bytes));
    expect(await store.replace({ key, field: VIEW, bytes: altered, expireAtMs: Number.POSITIVE_INFINITY }, bytes)).toBe(
      true,
    );
  }
  await store.close();

  const { exitCode, stdout } = await run(headgate("parity", "--json"), project);
  expect(exitCode).toBe(1);
  const [view] = JSON.parse(stdout).views;
  expect(view).toMatchObject({ verdict: "fail", outcomes: { different: 3 }, causes: [{ entities: 3 }] });
  const words = (view.causes[0].shown_by as string).split(" ").slice(1);
  expect((await run(headgate(...words), project)).stdout).toContain(`${VIEW}  customer_id=`);

  // A sample that has none of them.
  const isMissed = (seed: number) => rows.every(({ key }) => !isSampled(keyHash(key, seed), 0.5));
  const seed = Array.from({ length: 1_000 }, (_, i) => i).find(isMissed);
  const sampled = await run(headgate("parity", "--sample", "0.5", "--seed", `${seed}`), project);
  expect(sampled.exitCode).toBe(0);
  expect(sampled.stdout).toMatch(
    /: pass\. [\s\S]*\n {2}The failing verdict of \S+ stays, as it is of all entities: 3 of [\d,]+ entities differ \(3 different\)\. headgate parity --views customer_30d_features --sample 1 looks at all of them again\.\n$/,
  );
  const gateway = await serve(project, { HEADGATE_READY_PARITY: "1h" });
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
  gateway.signal("SIGTERM");
  await gateway.ended;

  const dry = await run(headgate("parity", "--repair"), project);
  expect(dry.stdout).toContain(
    "A repair would write 0 that the files have newer, or alone, and replace 3 of the same times",
  );
  const nightly = await run(headgate("nightly"), project);
  expect(nightly.exitCode).toBe(1);
  expect(nightly.stderr).toMatch(/parity fail\. 3 of [\d,]+ entities differ \(3 different\)\. \[PARITY_FAILED\]/);
  expect((await run(headgate("parity", "--repair", "--yes"), project)).stdout).toContain(
    "Repaired: wrote 0 that the files have newer, or alone, and replaced 3",
  );
  expect((await run(headgate("parity"), project)).exitCode).toBe(0);
});

test("the project's suite stops a load of rows that it does not expect, and fails what is served", async () => {
  const folder = join(project, "expectations");
  mkdirSync(folder);
  const kwargs = { column: "aov_30d", min_value: 0, max_value: 10 };
  const suite = { name: "customer rows", expectations: [{ type: "expect_column_values_to_be_between", kwargs }] };
  writeFileSync(join(folder, `${VIEW}.json`), JSON.stringify(suite));
  writeFileSync(join(folder, "customers.json"), JSON.stringify(suite));
  const loaded = await run(headgate("materialize", "2000-01-01", "now"), project);
  expect(loaded.exitCode).toBe(1);
  expect(loaded.stderr).toContain("[EXPECTATIONS_FAILED]");
  const compared = await run(headgate("parity"), project);
  expect(compared.exitCode).toBe(1);
  expect(compared.stdout).toContain('all equal. Suite "customer rows" is not met');
  const stray = `expectations/customers.json is named after no feature view that has files, so it never runs; these have: ${VIEW}.`;
  expect(compared.stderr).toContain(stray);
  expect(loaded.stderr).toContain(stray);
  const [, directory] = /^The report is (\S+)\/index\.html\.$/m.exec(compared.stderr)!;
  const validation = JSON.parse(readFileSync(join(project, directory!, "validation-customer_rows.json"), "utf8"));
  expect(validation).toMatchObject({ success: false, suite_name: "customer rows" });
  rmSync(folder, { recursive: true });
});

test.each([
  [["--sample", "2"], "--sample"],
  [["--seed", "-1"], "--seed"],
  [["--yes"], "--repair"],
  [["--served", "--sample", "0.5"], "--sample"],
  [["--served", "--repair", "--yes"], "--repair"],
  [["--from", "2026-01-01"], "--served"],
  [["--views", "nothing"], "nothing"],
])("%j is wrong usage", async (words, named) => {
  const { exitCode, stderr } = await run(headgate("parity", ...words), project);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(named);
});
