import { expect, it } from "vitest";
import { comparedTable, compareWith, keptOf, type ResultDocument } from "./baseline.ts";
import { atLeast, atMost } from "./result.ts";

const machine = { cpu: "a", cores: 2 };
const run = (cpu: number | undefined, gain: number | undefined, ...more: ResultDocument["bars"]): ResultDocument => ({
  machine,
  versions: { node: "20" },
  commit: "abc",
  bars: [atMost("cpu", cpu, "×", 2), atLeast("gain", gain, "×", 8), atMost("seconds", 9, "s", 15), ...more],
});
const verdicts = (kept: ResultDocument, now: ResultDocument) =>
  Object.fromEntries(compareWith(keptOf(kept), now).map(({ name, verdict }) => [name, verdict]));

it("keeps ratios, and which way is better", () => {
  expect(keptOf(run(1.5, 6))).toEqual({
    machine,
    versions: { node: "20" },
    commit: "abc",
    ratios: { cpu: { value: 1.5, better: "less" }, gain: { value: 6, better: "more" } },
  });
});

it("lets a ratio be a tenth worse, whichever way is better", () => {
  expect(verdicts(run(0.9, 10), run(1, 9))).toEqual({ cpu: "ok", gain: "ok" });
  expect(verdicts(run(0.9, 10), run(1.01, 8.9))).toEqual({ cpu: "fallen", gain: "fallen" });
  expect(verdicts(run(0.9, 10), run(0.1, 100))).toEqual({ cpu: "ok", gain: "ok" });
});

it("does not fail what was not measured or is new, and tells it", () => {
  expect(verdicts(run(undefined, 10), run(1, undefined))).toEqual({ cpu: "not in the baseline", gain: "not measured" });
});

it("takes a ratio that JSON could not hold as infinite", () => {
  const text = JSON.stringify(run(Number.POSITIVE_INFINITY, 10));
  expect(verdicts(run(1, 10), JSON.parse(text) as ResultDocument)).toEqual({ cpu: "fallen", gain: "ok" });
});

it("shows a table", () => {
  expect(comparedTable(compareWith(keptOf(run(1, 10)), run(2, 11)))).toBe(
    [
      "ratio  baseline  now  better by        ",
      "─────  ────────  ───  ─────────  ──────",
      "cpu           1    2   −50.0 %  FALLEN",
      "gain         10   11   +10.0 %      ok",
    ]
      .join("\n")
      .replace("  −50.0 %", "   −50.0 %")
      .replace("  +10.0 %", "   +10.0 %"),
  );
});
