import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyExample, temporaryFolder } from "../test/harness/project.ts";
import type { CommandContext } from "./command.ts";
import { apply, plan } from "./plan.ts";

test("a changed ttl is shown as definitions have it", async () => {
  const environment = { HEADGATE_ONLINE_STORE: `lmdb:${join(temporaryFolder(), "online")}` };
  let written = "";
  const contextOf = (projectDirectory: string, json = false): CommandContext => ({
    ...{ projectDirectory, json, environment, now: () => 0, stderr: process.stderr },
    stdout: { write: (text: string) => (written += text) } as unknown as NodeJS.WritableStream,
  });
  const [before, after] = [copyExample(), copyExample()];
  const file = join(after, "features", "customer.ts");
  writeFileSync(file, readFileSync(file, "utf8").replace('ttl: "2d"', 'ttl: "36h"'));
  expect(await apply(contextOf(before))).toBe(0);
  written = "";
  expect(await plan(contextOf(after), { check: false })).toBe(0);
  expect(written).toBe("~ featureView customer_30d_features\n    ttl: 2d → 36h\n");
  written = "";
  await plan(contextOf(after, true), { check: false });
  expect(JSON.parse(written).changes[0].details).toEqual([{ path: "ttl_ms", from: 172_800_000, to: 129_600_000 }]);
});
