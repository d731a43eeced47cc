import { expect, test } from "vitest";
import { datatypeNamed } from "./datatype.ts";
import type { InferPlan } from "./infer-plan.ts";
import { createOutputAgreement } from "./output-agreement.ts";

type Outputs = Readonly<Record<string, readonly [datatype: string, shape: readonly (number | string)[]]>>;

function planOf(outputs: Outputs): InferPlan {
  const members = Object.entries(outputs).map(([member, [datatype, shape]]) => [
    member,
    { member, datatype: datatypeNamed(datatype), shape },
  ]);
  return { members: new Map(members as never) } as unknown as InferPlan;
}

test.each<[boolean, string, Outputs, Outputs]>([
  [true, "the same", { p: ["FP32", ["N", 2]] }, { p: ["FP32", [-1, 2]] }],
  [true, "one more", { p: ["FP32", [-1]] }, { p: ["FP32", [-1]], q: ["BYTES", [-1]] }],
  [true, "an axis of one", { p: ["FP32", [-1]] }, { p: ["FP32", [-1, 1]] }],
  [true, "an open axis", { p: ["FP32", [-1, "k"]] }, { p: ["FP32", [-1, 3]] }],
  [true, "no shape", { p: ["FP32", []] }, { p: ["FP32", [-1, 3]] }],
  [false, "one less", { p: ["FP32", [-1]], q: ["BYTES", [-1]] }, { p: ["FP32", [-1]] }],
  [false, "another type", { p: ["INT64", [-1]] }, { p: ["FP32", [-1]] }],
  [false, "more classes", { p: ["FP32", [-1, 2]] }, { p: ["FP32", [-1, 3]] }],
  [false, "an axis more", { p: ["FP32", [-1]] }, { p: ["FP32", [-1, 2]] }],
])("%s: %s", (agrees, _, stable, canary) => {
  const agree = createOutputAgreement();
  const [one, other] = [planOf(stable), planOf(canary)];
  expect([agree(one, other), agree(one, other)]).toEqual([agrees, agrees]);
});
