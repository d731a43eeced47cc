import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { descendantsOf, readCpuMicros } from "./process-cpu.ts";

it.runIf(existsSync("/proc/self/task"))("finds the processes below a process, and counts their CPU time", async () => {
  const busy = "for (const end = performance.now() + 300; performance.now() < end; );";
  const parent = `require("node:child_process").spawn(process.execPath, ["-e", \`${busy} console.log("done"); setInterval(() => {}, 1e3)\`],
    { stdio: "inherit" })`;
  const child = spawn(process.execPath, ["-e", parent], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const below = descendantsOf(child.pid!);
  const own = readCpuMicros(child.pid!)!;
  for (const pid of below) process.kill(pid);
  await once(child, "exit");
  expect(below).toHaveLength(1);
  // The parent alone only loads Node.
  expect(own).toBeGreaterThanOrEqual(250_000);
});
