import { expect, it } from "vitest";
import { byTurns, figureOf, measureRound, ratioOf } from "./rounds.ts";

it("begins with another one each round and measures one after the other", async () => {
  expect([0, 1, 2, 3].map((round) => byTurns(["a", "b", "c"], round).join(""))).toEqual(["abc", "bca", "cab", "abc"]);
  const begun: string[] = [];
  const results = await measureRound(["a", "b"] as const, 1, async (name) => {
    begun.push(name);
    return begun.length;
  });
  expect(begun).toEqual(["b", "a"]);
  expect(results).toEqual({ a: 2, b: 1 });
});

it("takes a ratio within a round, and none of what was not measured", () => {
  const rounds = [
    { own: { ms: 2, cpu: undefined }, floor: { ms: 1, cpu: 1 } },
    { own: { ms: 30, cpu: 3 }, floor: { ms: 10, cpu: 1 } },
  ];
  expect(figureOf(rounds, "own", "ms")!.values).toEqual([2, 30]);
  expect(ratioOf(rounds, "own", "floor", "ms")!.values).toEqual([2, 3]);
  expect(ratioOf(rounds, "own", "floor", "cpu")).toBeUndefined();
  const partial: readonly { readonly own: { ms: number }; readonly floor?: { ms: number } }[] = [{ own: { ms: 1 } }];
  expect(ratioOf(partial, "own", "floor", "ms")).toBeUndefined();
});
