import { expect, test } from "vitest";
import type { ParityVerdict } from "../features/parity-verdict.ts";
import { checkParity } from "./deploy-parity.ts";
import { parseManifest } from "./manifest.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const HOUR_MS = 3_600_000;
const MANIFEST = parseManifest(
  JSON.stringify({ service: "s", inputs: { x: "a" }, outputs: { y: "y" }, require_parity: "36h" }),
  "m.json",
);
const PASSED: ParityVerdict = {
  run: "r",
  at_ms: NOW_MS - HOUR_MS,
  verdict: "pass",
  reason: "all agree",
  checked: 10,
  compared: 10,
  mismatch_rate: 0,
  mismatch_rate_bound: 0.01,
  outcomes: {},
  causes: {},
  materialized_to: null,
  definition: "d",
  sample: null,
};

const check = (over: Partial<ParityVerdict> | undefined, views = ["orders"]) =>
  checkParity(MANIFEST, views, new Map(over === undefined ? [] : [["orders", { ...PASSED, ...over }]]), NOW_MS);

test("a view that passed lately lets the version through; of a sample it is said so", () => {
  expect(check({})).toBe("orders has a passing verdict not older than 36h");
  expect(check({ sample: { share: 0.1, seed: 3 } })).toContain(
    "orders (of a sample of 10%: at most 1% of the entities in the files differ) has",
  );
});

test("of several views that lack it each is named, what failed to be put right and all to be compared", () => {
  const failed = { ...PASSED, verdict: "fail" as const, reason: "2 % differ." };
  const old = { ...PASSED, at_ms: NOW_MS - 37 * HOUR_MS };
  const refusalOf = (entries: readonly [string, ParityVerdict][]) => {
    try {
      return checkParity(MANIFEST, ["a", "b", "c", "d"], new Map([...entries, ["c", old], ["d", PASSED]]), NOW_MS);
    } catch (error) {
      return (error as Error).message.slice("m.json asks for parity not older than 36h: ".length);
    }
  };
  expect(refusalOf([["a", failed]])).toBe(
    "a, compared at 2026-11-22T23:00:00.000Z, failed (2 % differ); b was never compared; c was compared at 2026-11-21T11:00:00.000Z. See in the parity report what differs in a, put it right (headgate parity --views a --sample 1 --repair, or load it again), run headgate parity --views a,b,c --sample 1 and deploy again.",
  );
  // A run that looked at nothing is lifted by any other, although it was no sample.
  expect(refusalOf([["a", { ...failed, checked: 0 }]])).toContain(
    "put it right (headgate parity --repair, or load it again), run headgate parity and deploy again.",
  );
});

test.each([
  ["was never compared", undefined, "orders was never compared. Run headgate parity and deploy again."],
  [
    "is older than the manifest takes",
    { at_ms: NOW_MS - 37 * HOUR_MS },
    "orders was compared at 2026-11-21T11:00:00.000Z. Run headgate parity and deploy again.",
  ],
  [
    "failed",
    { verdict: "fail" as const, reason: "2 % differ." },
    "orders, compared at 2026-11-22T23:00:00.000Z, failed (2 % differ). See in the parity report what differs in orders, put it right (headgate parity --views orders --sample 1 --repair, or load it again), run headgate parity --views orders --sample 1 and deploy again.",
  ],
  [
    "failed long ago, by what a sample found",
    { verdict: "fail" as const, reason: "2 % differ.", at_ms: NOW_MS - 37 * HOUR_MS, sample: { share: 0.1, seed: 3 } },
    "orders, compared at 2026-11-21T11:00:00.000Z, failed (2 % differ). See in the parity report what differs in orders, put it right (headgate parity --repair, or load it again), run headgate parity and deploy again.",
  ],
])("a view that %s refuses it, and says what to do", (_, over, sentence) => {
  expect(() => check(over)).toThrow(
    expect.objectContaining({
      code: "PARITY_REQUIRED",
      message: `m.json asks for parity not older than 36h: ${sentence}`,
    }),
  );
});
