/**
 * The load killed (-9) at random points and started again, on each kind of store: in the end every row, with its order
 * and its values, is the one that an unbroken run leaves. Points come from a seed; a load that got to its end before its
 * kill is checked and begun anew on an empty store.
 */

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../bench/statistics.ts";
import { openOnlineStore } from "../../features/store/open.ts";
import { headgate, type Running, run, start, temporaryFolder } from "../harness/project.ts";
import { findRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { SCORE_ROWS, SCORES_END, scoreProject, storedScores } from "../harness/score-files.ts";

const KILLS = 20;
const TEST_TIMEOUT_MS = 400_000;
/** A load takes at least a second, so that kills meet it and not only its start. */
const ROWS_PER_SECOND = String(SCORE_ROWS);
const LOAD = headgate("materialize-incremental", SCORES_END, "--max-rows-per-second", ROWS_PER_SECOND);

const found = findRedis();
const absent = "missing" in found ? ` (${found.missing})` : "";
const project = scoreProject();
let redis: RedisServer | undefined;
let databases = 0;
let unbroken: ReadonlyMap<string, string>;
let loadMs: number;

/** An empty store, with the definitions applied. */
async function emptyStore(kind: "LMDB" | "Redis"): Promise<string> {
  const address = kind === "LMDB" ? `lmdb:${temporaryFolder()}` : `${redis!.url}/${databases++}`;
  const { exitCode, stderr } = await run(headgate("apply"), project, { HEADGATE_ONLINE_STORE: address });
  expect(exitCode, stderr).toBe(0);
  return address;
}

function begin(address: string, command = LOAD): Running {
  return start(command, project, { HEADGATE_ONLINE_STORE: address });
}

async function rowsOf(address: string): Promise<ReadonlyMap<string, string>> {
  const store = await openOnlineStore(address, { projectDirectory: project, project: "scores" });
  try {
    return await storedScores(store);
  } finally {
    await store.close();
  }
}

async function expectWhole(address: string): Promise<void> {
  const rows = await rowsOf(address);
  expect(rows.size).toBe(unbroken.size);
  expect([...rows].filter(([key, row]) => unbroken.get(key) !== row)).toEqual([]);
}

/** Kills a process after a while; true when it was still at it. */
async function kill(running: Running, afterMs: number): Promise<boolean> {
  await Promise.race([pause(afterMs), running.ended]);
  try {
    running.signal("SIGKILL");
  } catch {
    // It has ended by itself.
  }
  const { exitCode, stderr } = await running.ended;
  expect([0, null], stderr).toContain(exitCode);
  return exitCode === null;
}

beforeAll(async () => {
  if ("program" in found) redis = await startRedis(found.program, { settings: ["--databases", "64"] });
  const address = await emptyStore("LMDB");
  const startMs = performance.now();
  const { exitCode, stderr } = await begin(address).ended;
  loadMs = performance.now() - startMs;
  expect(exitCode, stderr).toBe(0);
  unbroken = await rowsOf(address);
}, TEST_TIMEOUT_MS);

afterAll(() => redis?.stop());

// At once: most of the time is spent in starting processes and waiting for a rate.
describe.concurrent.each(["LMDB", "Redis"] as const)("on %s", (kind) => {
  const skipped = kind === "Redis" && "missing" in found;

  test.skipIf(skipped)(
    `${KILLS} kills leave what an unbroken load leaves${skipped ? absent : ""}`,
    async () => {
      const random = seededRandom(kind.length);
      let address = await emptyStore(kind);
      for (let kills = 0; kills < KILLS; ) {
        // The first part is Node's start, where there is little to break.
        if (await kill(begin(address), loadMs * (0.25 + 0.75 * random()))) {
          kills++;
          continue;
        }
        await expectWhole(address);
        address = await emptyStore(kind);
      }
      const { exitCode, stderr } = await begin(address).ended;
      expect(exitCode, stderr).toBe(0);
      await expectWhole(address);
      const again = await run(LOAD, project, { HEADGATE_ONLINE_STORE: address });
      expect(again.stdout).toContain("nothing new");
    },
    TEST_TIMEOUT_MS,
  );

  test.skipIf(skipped)(
    `three shards at once, one of them killed and run again, end the same${skipped ? absent : ""}`,
    async () => {
      const random = seededRandom(7 + kind.length);
      const address = await emptyStore(kind);
      // A third of the rows each, so that the three take as long as the one.
      const rate = ["--max-rows-per-second", String(Math.ceil(SCORE_ROWS / 3))];
      const shard = (index: number) =>
        begin(address, headgate("materialize-incremental", SCORES_END, ...rate, "--shard", `${index}/3`));
      const others = [shard(1), shard(3)];
      while (!(await kill(shard(2), loadMs * (0.4 + 0.4 * random()))));
      for (const { exitCode, stderr } of await Promise.all(others.map(({ ended }) => ended))) {
        expect(exitCode, stderr).toBe(0);
      }
      const { exitCode, stdout, stderr } = await shard(2).ended;
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toContain("materialized to 2026-02-01");
      await expectWhole(address);
    },
    TEST_TIMEOUT_MS,
  );
});
