import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ALLOWANCES, MEASURED, sizing, sizingRows } from "./sizing.ts";

const DEMAND = { predictionsPerSecond: 1e5, entities: 1e9, exponent: 1, cacheBytes: 0 };

it("works a demand out by hand-checked arithmetic", () => {
  const measured = { ...MEASURED, redisMicros: 50, redisServerMicros: 40, redisEntityBytes: 200, rowBytes: 100 };
  const allowed = { ...ALLOWANCES, nodeBytes: 50 * 2 ** 30, nodeShare: 0.8, coreHour: 0.1, gigabyteHour: 0.01 };
  expect(sizing(DEMAND, measured, allowed)).toEqual({
    hitRatio: 0,
    // 5 core seconds a second, half of each used.
    gatewayCores: 10,
    // Memory asks for 4.7 masters, 4 busy cores at half for 8.
    redisMasters: 8,
    redisNodes: 16,
    masterBusyShare: 0.5,
    userBitsPerSecond: 8e5 * 717,
    redisBitsPerSecond: 8e7,
    // (10 × 0.1 + 16 × 50 × 0.01) an hour over 360 million predictions.
    costPerMillion: 9 / 360,
  });
});

it("asks for no reads when everything is kept", () => {
  const { hitRatio, redisBitsPerSecond } = sizing({ ...DEMAND, entities: 1e6, cacheBytes: 1e9 });
  expect([hitRatio, redisBitsPerSecond]).toEqual([1, 0]);
});

it("is what docs/operating.md says", () => {
  const page = readFileSync(new URL("../docs/operating.md", import.meta.url), "utf8");
  const missing = sizingRows()
    .map((row) => `| ${row.join(" | ")} |`)
    .filter((line) => !page.includes(line));
  expect(missing).toEqual([]);
});
