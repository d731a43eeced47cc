import fc from "fast-check";
import { expect, test } from "vitest";
import { lastRunMs, type ParityVerdict, readParityVerdicts, recordParityVerdict } from "./parity-verdict.ts";
import { openMemoryStore } from "./store/memory.ts";

const NOTHING = { checked: 0, compared: 0 };
const found = fc.constantFrom<Pick<ParityVerdict, "verdict" | "checked" | "compared">>(
  { verdict: "pass", checked: 9, compared: 9 },
  { verdict: "fail", checked: 9, compared: 9 },
  { verdict: "fail", ...NOTHING },
  { verdict: "error", ...NOTHING },
);
const run = fc.record({
  found,
  sample: fc.constantFrom(null, { share: 0.5, seed: 1 }, { share: 0.01, seed: 2 }),
  definition: fc.constantFrom("one", "one", "one", "two"),
});
const runs = fc.array(run, { minLength: 1, maxLength: 12 }).map((all) =>
  all.map(
    ({ found, sample, definition }, i): ParityVerdict => ({
      ...{ run: `run ${i}`, at_ms: i, ...found, reason: "", mismatch_rate: 0, mismatch_rate_bound: 0 },
      ...{ outcomes: {}, causes: {}, materialized_to: null, definition, sample },
    }),
  ),
);

/** Of the runs since the definition last changed: the last that looked at all, if it failed; else the last. */
function verdictThatCounts(all: readonly ParityVerdict[]): ParityVerdict {
  const last = all.at(-1)!;
  const since = all.slice(all.findLastIndex(({ definition }) => definition !== last.definition) + 1);
  const whole = since.findLast(({ sample, checked }) => sample === null && checked > 0);
  return whole?.verdict === "fail" ? whole : last;
}

test("after any runs the verdict that counts and the last run's time are recorded, and each run is told what stays", () =>
  fc.assert(
    fc.asyncProperty(runs, async (all) => {
      const { control } = openMemoryStore();
      for (const [i, one] of all.entries()) {
        const stays = await recordParityVerdict(control, "a", one);
        const counts = verdictThatCounts(all.slice(0, i + 1));
        const kept = (await readParityVerdicts(control, ["a"])).get("a")!;
        expect({ ...kept, last_run_at_ms: undefined }).toEqual(counts);
        expect(lastRunMs(kept)).toBe(one.at_ms);
        expect(stays?.run).toBe(counts === one ? undefined : counts.run);
      }
    }),
  ));
