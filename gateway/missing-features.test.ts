import { expect, test } from "vitest";
import { type FeatureStatus, STATUS } from "../features/feature-status.ts";
import type { FeatureValue } from "../features/field.ts";
import { float32, int64 } from "../features/field.ts";
import type { ReadPlan } from "../features/read-plan.ts";
import { compileMissingPolicy } from "./missing-features.ts";

const plan = {
  columns: [
    { view: "spend", field: "orders", type: int64() },
    { view: "spend", field: "amount", type: float32() },
    { view: "visits", field: "pages", type: int64() },
  ],
} as unknown as ReadPlan;
const vectorOf = (values: FeatureValue[], statuses: FeatureStatus[]) => ({ values, statuses, views: [] });
const { PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE } = STATUS;
const whole = vectorOf([1, 2, 3], [PRESENT, PRESENT, PRESENT]);
const holed = vectorOf([1, null, null], [PRESENT, NULL_VALUE, NOT_FOUND]);
const signature = { columns: [0, 1, 2], defaults: [7, 8, 9] };

test("a whole vector is fed as it is under every policy", () => {
  for (const policy of ["reject", "default", "null"] as const) {
    expect(compileMissingPolicy(plan, policy, signature)(whole)).toEqual({
      status: PRESENT,
      row: [1, 2, 3],
      defaulted: [],
      rejection: undefined,
    });
  }
});

test("reject tells a null field by its name and a missing row by its view", () => {
  const fed = compileMissingPolicy(plan, "reject", signature)(holed);
  expect(fed.row).toBeUndefined();
  expect(fed.rejection).toBe(
    'spend:amount is NULL_VALUE, visits is NOT_FOUND; the model\'s missing policy is "reject".',
  );
});

test("a row that is missing whole is told once", () => {
  const vector = vectorOf([null, null, 3], [OUTSIDE_MAX_AGE, OUTSIDE_MAX_AGE, PRESENT]);
  expect(compileMissingPolicy(plan, "reject", signature)(vector).rejection).toMatch(/^spend is OUTSIDE_MAX_AGE; /);
});

test("default fills what is missing, lists it, and leaves the vector as it was read", () => {
  const fed = compileMissingPolicy(plan, "default", signature)(holed);
  expect(fed).toEqual({
    status: NOT_FOUND,
    row: [1, 8, 9],
    defaulted: ["spend:amount", "visits:pages"],
    rejection: undefined,
  });
  expect(holed.values).toEqual([1, null, null]);
});

test("null hands the holes to the model and says so in the status", () => {
  expect(compileMissingPolicy(plan, "null", signature)(holed)).toMatchObject({
    status: NOT_FOUND,
    row: [1, null, null],
    defaulted: [],
  });
});

test("a feature that the model is not fed can be missing, and is told", () => {
  const fed = compileMissingPolicy(plan, "reject", { columns: [0], defaults: [] })(holed);
  expect(fed).toMatchObject({ status: NOT_FOUND, rejection: undefined, row: [1, null, null] });
});
