import { expect, test } from "vitest";
import type { InputPlan } from "./signature.ts";
import { compileFeeds } from "./tensor.ts";
import { tensorRows } from "./tensor-row.ts";

const plan = (input: string, type: InputPlan["type"], length: number): InputPlan => ({
  input,
  type,
  columns: Array.from({ length }, (_, i) => i),
  features: Array.from({ length }, (_, i) => `v:f${i}`),
  rowShape: [length],
});

test("rows of tensors and rows of features share a run, each where it waited", () => {
  const feedsOf = compileFeeds([
    plan("x", "float32", 2),
    plan("ids", "int64", 1),
    { ...plan("words", "string", 1), columns: [2] },
  ]);
  const sent = tensorRows([Float32Array.of(1, 2, 3, 4), BigInt64Array.of(5n, 2n ** 60n), ["a", "b"]], 2);
  const { ids, words, x } = feedsOf([[7, 8, "w"], sent[1]!, sent[0]!]);
  expect([...(x!.data as Float32Array)]).toEqual([7, 8, 3, 4, 1, 2]);
  expect(x!.dims).toEqual([3, 2]);
  expect([...(ids!.data as BigInt64Array)]).toEqual([7n, 2n ** 60n, 5n]);
  expect(words!.data).toEqual(["w", "b", "a"]);
});

test("long rows are copied whole, and halves as the bits they are", () => {
  const length = 200;
  const values = Float32Array.from({ length: 3 * length }, (_, i) => i);
  const bits = Uint16Array.from({ length: 3 }, (_, i) => 0x7e01 + i);
  const feedsOf = compileFeeds([plan("x", "float32", length), plan("h", "float16", 1)]);
  const rows = tensorRows([values, bits], 3);
  const { h, x } = feedsOf([rows[2]!, rows[0]!]);
  expect([...(x!.data as Float32Array)]).toEqual([...values.slice(2 * length), ...values.slice(0, length)]);
  expect([...(h!.data as unknown as Uint16Array)]).toEqual([0x7e03, 0x7e01]);
});
