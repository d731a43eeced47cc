import { expect, test } from "vitest";
import { openMemoryStore } from "../../features/store/memory.ts";
import type { ScanPage } from "../../features/store/online-store.ts";
import { createPacedReads } from "./online-rows.ts";
import type { ViewParityOptions } from "./parity-run.ts";
import { RowSpill } from "./row-spill.ts";

test("a scan keeps its rate by the keys it looks at, though they are other views'", async () => {
  let [nowMs, scans] = [0, 0];
  const scan = async (_: string, limit: number, cursor = "0"): Promise<ScanPage> => {
    expect(limit).toBe(100);
    scans++;
    return { rows: [], ...(Number(cursor) < 49 && { cursor: String(Number(cursor) + 1) }) };
  };
  const reads = createPacedReads({
    store: { ...openMemoryStore(), scan },
    view: { name: "scores" },
    settings: { parityRate: 1_000 },
    now: () => nowMs,
    wait: async (ms: number) => {
      nowMs += ms;
    },
    signal: undefined,
  } as unknown as ViewParityOptions);
  const spill = new RowSpill(1);
  await reads.scanInto(spill, new AbortController().signal);
  spill.close();
  // 50 pages of 100 keys each are 5 s at 1,000 a second; a piece may be taken at once.
  expect([scans, nowMs >= 4_800]).toEqual([50, true]);
});
