import { expect, test } from "vitest";
import { startedAhead, type Work } from "./started-ahead.ts";

function works(weights: readonly number[], begun: number[] = []): Work<number>[] {
  return weights.map((weight, i) => ({
    weight,
    begin: async () => {
      begun.push(i);
      return i;
    },
  }));
}

test("results come in order, and no more is begun than the bounds allow", async () => {
  const begun: number[] = [];
  const results: number[] = [];
  for await (const result of startedAhead(works(new Array(20).fill(1), begun), { works: 3, weight: 100 })) {
    results.push(result);
    expect(begun.length).toBeLessThanOrEqual(result + 4);
  }
  expect(results).toEqual([...results.keys()]);
  expect(results.length).toBe(20);
});

test("the next one is begun before a result is handed out, however heavy", async () => {
  const begun: number[] = [];
  for await (const result of startedAhead(works([9, 9, 9], begun), { works: 8, weight: 5 })) {
    expect(begun.length).toBe(Math.min(3, result + 2));
  }
});

test("a failure is thrown in its turn and leaves nobody unheard", async () => {
  const failing: Work<number>[] = [...works([1]), { weight: 1, begin: () => Promise.reject(new Error("bad")) }];
  const late: Work<number> = { weight: 1, begin: () => Promise.reject(new Error("later")) };
  const results: number[] = [];
  const read = async () => {
    for await (const result of startedAhead([...failing, late], { works: 8, weight: 8 })) results.push(result);
  };
  await expect(read()).rejects.toThrow("bad");
  expect(results).toEqual([0]);
});
