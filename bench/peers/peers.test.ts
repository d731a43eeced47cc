import { expect, it } from "vitest";
import { environmentName } from "./python.ts";
import { isSame } from "./same-answer.ts";

it("names an environment by its pins", () => {
  expect(environmentName(["a==1", "b==2"])).toBe(environmentName(["a==1", "b==2"]));
  expect(environmentName(["a==1", "b==2"])).not.toBe(environmentName(["a==1", "b==3"]));
  expect(environmentName(["a==1", "b==2"])).toMatch(/^[0-9a-f]{12}$/);
});

it("takes predictions as the same within a float32's precision", () => {
  const of = (label: number, ...probabilities: number[]) => ({ predictions: [{ label, probabilities }] as const });
  expect(isSame(of(0, 0.9474602341651917, 0.0525397), of(0, 0.9474602, 0.0525398))).toBe(true);
  expect(isSame(of(0, 0.9, 0.1), of(0, 0.8999, 0.1001))).toBe(false);
  expect(isSame(of(0, 0.5, 0.5), of(1, 0.5, 0.5))).toBe(false);
});
