import { expect, test } from "vitest";
import { emptyView, failingView, passingView } from "./fixtures/parity-reports.ts";
import { formatParityOutcome, parityOutcome } from "./parity-outcome.ts";
import { formatViewParity } from "./parity-text.ts";

test("a sample bounds what it was taken of, the entities in the files, and says that nothing else was looked for", () => {
  const sampled = { ...passingView("orders"), sample: { share: 0.5, seed: 7 }, mismatch_rate_bound: 0.393 };
  expect(formatViewParity(sampled)).toMatch(
    / A sample of 50% \(seed 7\): with 95% confidence at most 39\.3% of the entities in the files differ; rows that only the store has are not looked for in a sample\.$/,
  );
  expect(formatViewParity(passingView("orders"))).not.toContain("sample");
  expect(formatViewParity({ ...emptyView("orders"), sample: { share: 0.5, seed: 7 } })).not.toContain("sample");
});

test("a failing verdict that stays is told with its time, its reason and what looks at all again, in a night, too", () => {
  const standing_failure = {
    run: "parity",
    at: "2026-11-21T02:00:00.000Z",
    reason: "3 of 9 entities differ (3 stale).",
  };
  const line =
    "  The failing verdict of 2026-11-21T02:00:00.000Z stays, as it is of all entities: 3 of 9 entities differ (3 stale). headgate parity --views orders --sample 1 looks at all of them again.";
  const view = { ...passingView("orders"), standing_failure };
  expect(formatViewParity(view).split("\n").slice(1)).toEqual([line]);
  expect(parityOutcome(view)).toMatchObject({ status: "done", standing_failure });
  expect(formatParityOutcome(parityOutcome(view)).split("\n").slice(1)).toEqual([line]);
  expect(parityOutcome(passingView("orders"))).not.toHaveProperty("standing_failure");
});

test("a verdict, its causes and its repair are a line each, or two", () => {
  const lines = formatViewParity(failingView()).split("\n");
  const [head, first, command] = lines;
  expect(head).toMatch(/^customer_30d_features: fail\. 12,951 of 98,412 entities differ/);
  expect(first).toMatch(/^ {2}late_event \(807\): The file came, /);
  expect(command).toBe("    headgate features get customer_30d_features customer_id=17003");
  expect(lines.at(-1)).toMatch(
    /^ {2}A repair would write 3,168 .*; 15 left alone, as no file has them\. headgate parity/,
  );
});
