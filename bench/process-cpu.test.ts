import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { descendantsOf, readCpuMicros, watchAnonymousBytes } from "./process-cpu.ts";

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

it.runIf(existsSync("/proc/self/status"))(
  "watches memory for as long as a work lasts, also one that fails",
  async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const { result, peakBytes } = await watchAnonymousBytes(process.pid, 1, async () => {
      expect(timers()).toBe(before + 1);
      return "done";
    });
    expect(result).toBe("done");
    expect(peakBytes).toBeGreaterThan(1_000_000);
    const failing = watchAnonymousBytes(process.pid, 1, () => Promise.reject(new Error("the work")));
    await expect(failing).rejects.toThrow("the work");
    expect(timers()).toBe(before);
  },
);
