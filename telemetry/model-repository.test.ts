import { expect, test } from "vitest";
import { openRepositoryStore } from "../models/repository-store.ts";
import { openObjectStore } from "../object-store.ts";
import { startTelemetry } from "../telemetry.ts";
import { temporaryFolder } from "../test/harness/project.ts";

test("a repository that goes and comes back is logged once each, and shown", async () => {
  const lines: string[] = [];
  const telemetry = startTelemetry(
    (line) => void lines.push(line),
    () => 0,
  );
  const objects = openObjectStore({ directory: "/" });
  let isAway = false;
  const listBelow: typeof objects.listBelow = (...words) =>
    isAway ? Promise.reject(new Error("no route")) : objects.listBelow(...words);
  const store = openRepositoryStore({ ...objects, listBelow }, temporaryFolder());
  for (const away of [false, true, true, false, false, true]) {
    isAway = away;
    if (away) await expect(store.listNow("")).rejects.toMatchObject({ code: "REPOSITORY_UNREACHABLE" });
    else await store.listNow("");
    expect(await telemetry.metricsText()).toContain(`\nheadgate_model_repository_up ${away ? 0 : 1}\n`);
  }
  // What is answered with a refusal is answered.
  await expect(store.stat("none")).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  expect(await telemetry.metricsText()).toContain("\nheadgate_model_repository_up 1\n");
  telemetry.stop();
  const told = lines.map((line) => JSON.parse(line) as { level: string; address: string; reason?: string });
  expect(told.map(({ level }) => level)).toEqual(["error", "info", "error", "info"]);
  expect(told[0]).toMatchObject({ address: store.address, reason: "no route" });
});
