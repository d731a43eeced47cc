import fc from "fast-check";
import { expect, test } from "vitest";
import { VersionStatistics } from "./version-statistics.ts";
import { summaryOf, sumOf } from "./version-summary.ts";

const request = fc.record({ score: fc.double({ noNaN: true }), ms: fc.nat(1_000), failed: fc.boolean() });

test("what several processes have counted is what one would have that had all of their requests", () => {
  const counted = (requests: readonly { score: number; ms: number; failed: boolean }[]) => {
    const statistics = new VersionStatistics((outputs, row) => Number(outputs[0]![row]));
    for (const { failed, ms, score } of requests) {
      if (failed) statistics.failed(new Error("it failed"));
      else statistics.answered([[score]], 0, 1, 1, ms);
      statistics.paired(score);
    }
    return summaryOf(3, statistics);
  };
  fc.assert(
    fc.property(fc.array(fc.array(request, { maxLength: 30 }), { minLength: 1, maxLength: 4 }), (processes) => {
      expect(sumOf(processes.map(counted))).toEqual(counted(processes.flat()));
    }),
  );
});
