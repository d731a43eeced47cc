/** The commands with which docs/models.md begins, pasted beside a gateway as a reader does. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deployProject } from "../harness/deploying.ts";
import { codeBlocks } from "../harness/markdown.ts";
import { headgate, run, serve, temporaryFolder } from "../harness/project.ts";
import { until } from "../harness/redis.ts";
import { CHECKOUT } from "../harness/source-tree.ts";

const TIMEOUT_MS = 120_000;

test("the page's first commands work when they are pasted", { timeout: TIMEOUT_MS }, async () => {
  const project = await deployProject();
  const gateway = await serve(project, { HEADGATE_MODELS_POLL: "200ms" });
  const programs = temporaryFolder();
  // The project was not installed, so npx would ask the registry.
  const cli = headgate().map((word) => `'${word}'`);
  writeFileSync(join(programs, "npx"), `#!/bin/sh\nshift\nexec ${cli.join(" ")} "$@"\n`, { mode: 0o755 });
  const page = readFileSync(join(CHECKOUT, "docs", "models.md"), "utf8");
  const [block = ""] = codeBlocks(page, "sh");
  const environment = { PATH: `${programs}:${process.env.PATH}` };
  const paste = async (commands = "") => {
    const pasted = commands.replaceAll("localhost:8080", gateway.url);
    const { exitCode, stdout, stderr } = await run(["bash", "-ec", pasted], project, environment);
    expect(exitCode, stderr).toBe(0);
    return stdout;
  };
  // A reader's gateway has looked within the page's pause; how long this one takes is the machine's affair.
  const [deploying, using, ...more] = block.split(/^sleep 2 .*\n/m);
  expect([using, more]).toEqual([expect.stringContaining("models promote"), []]);
  await paste(deploying);
  await until("the gateway to have the canary", async () => {
    const described = await (await fetch(`${gateway.url}/models/churn`)).json();
    return (described as { canary: { version: number } | null }).canary?.version === 2;
  });
  const stdout = await paste(using);
  const requests = new RegExp(/"version":2,"role":"canary","requests":(\d+)/).exec(stdout)?.[1];
  expect(Number(requests), stdout).toBeGreaterThan(0);
  expect(stdout).toMatch(/stable is 2, before it was 1[\s\S]*stable is 1, before it was 2/);
  const [, retire] = /`(npx headgate models retire churn) <version>`/.exec(page)!;
  expect(await paste(`${retire} 2`)).toMatch(/Version 2 of churn is gone/);
  expect(gateway.stderr() + gateway.stdout()).toMatch(/model churn: its traffic changed.*"canary":\{"version":2/);
  gateway.signal("SIGTERM");
  await gateway.ended;
});
