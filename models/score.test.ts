import { expect, test } from "vitest";
import { compileScore } from "./score.ts";
import type { OutputPlan } from "./signature.ts";

const plan = (name: string, type: OutputPlan["type"]): OutputPlan => ({ name, output: name, type });
const CLASSIFIER = [plan("label", "int64"), plan("probabilities", "float32")];
const ANSWERS = [
  [1, 0],
  [
    [0.25, 0.75],
    [0.5, 0.5],
  ],
];

test("a classifier's score is the probability of its last class, a regressor's its value", () => {
  expect(compileScore(undefined, CLASSIFIER)(ANSWERS, 0)).toBe(0.75);
  expect(compileScore(undefined, [plan("variable", "float64")])([[3.5]], 0)).toBe(3.5);
});

test("a manifest may say which output and which of its numbers", () => {
  expect(compileScore("probabilities[0]", CLASSIFIER)(ANSWERS, 0)).toBe(0.25);
  expect(compileScore("label", CLASSIFIER)(ANSWERS, 0)).toBe(1);
});

test("whole numbers are scores where there are no floats, texts never", () => {
  expect(compileScore(undefined, [plan("cluster", "int64")])([[9_007_199_254_740_993n]], 0)).toBe(2 ** 53);
  expect(compileScore(undefined, [plan("label", "string")])([["a"]], 0)).toBeNaN();
  expect(compileScore("probabilities[7]", CLASSIFIER)(ANSWERS, 0)).toBeNaN();
});
