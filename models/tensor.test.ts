import { Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import type { FeatureValue } from "../features/field.ts";
import type { InputPlan, TensorType } from "./signature.ts";
import { compileFeeds, readOutput } from "./tensor.ts";

const planOf = (type: TensorType, columns = [0], rowShape: readonly number[] = [columns.length]): InputPlan => ({
  input: "X",
  type,
  columns,
  features: columns.map((column) => `v:f${column}`),
  rowShape,
});

function feed(plan: InputPlan, rows: readonly (readonly FeatureValue[])[]): Tensor {
  return compileFeeds([plan])(rows).X!;
}

const read = (type: TensorType, tensor: Tensor, rowCount: number) =>
  readOutput({ name: "a", output: "y", type }, tensor, rowCount);

describe("feeding", () => {
  test("columns are taken in the plan's order, others left", () => {
    const tensor = feed(planOf("float32", [2, 0]), [
      [1, "x", 2.5, null],
      [true, "y", null, null],
    ]);
    expect(tensor.dims).toEqual([2, 2]);
    expect([...(tensor.data as Float32Array)]).toEqual([2.5, 1, Number.NaN, 1]);
  });

  test("a vector has one axis", () => {
    expect(feed(planOf("int64", [0], []), [[1], [2], [3]]).dims).toEqual([3]);
  });

  test("an int64 is exact, and a single the nearest one", () => {
    const rows = [[9007199254740993n], [-(2n ** 63n)], [-1], [false]];
    expect([...(feed(planOf("int64"), rows).data as BigInt64Array)]).toEqual([
      9007199254740993n,
      -(2n ** 63n),
      -1n,
      0n,
    ]);
    expect([...(feed(planOf("float64"), [[2n ** 53n + 1n]]).data as Float64Array)]).toEqual([2 ** 53]);
    expect([...(feed(planOf("float32"), [[0.1], [-0]]).data as Float32Array)]).toEqual([Math.fround(0.1), -0]);
  });

  test("a half is rounded to nearest, null is its NaN", () => {
    const tensor = feed(planOf("float16"), [[1 + 2 ** -11 + 2 ** -40], [null], [1e9]]);
    expect(tensor.type).toBe("float16");
    expect(read("float16", tensor, 3)).toEqual([1 + 2 ** -10, Number.NaN, Number.POSITIVE_INFINITY]);
  });

  test("bools and texts", () => {
    expect([...(feed(planOf("bool"), [[true], [false]]).data as Uint8Array)]).toEqual([1, 0]);
    expect(
      feed(planOf("string", [1, 0]), [
        ["a", "ü"],
        ["", "日本"],
      ]).data,
    ).toEqual(["ü", "a", "日本", ""]);
  });

  test.each<[TensorType, FeatureValue, FeatureValue]>([
    ["int8", -128, 128],
    ["int16", 32_767, -32_769],
    ["int32", -(2 ** 31), 2 ** 31],
    ["uint8", 255, 256],
    ["uint16", 65_535, -1],
    ["uint32", 2 ** 32 - 1, 2 ** 32],
    ["uint64", 2n ** 63n - 1n, -1],
    ["int32", true, 2n ** 60n],
  ])("%s takes %s and refuses %s", (type, fits, refused) => {
    expect(Number(feed(planOf(type), [[fits]]).data[0])).toBe(Number(fits));
    expect(() => feed(planOf(type), [[fits], [refused]])).toThrow(
      expect.objectContaining({ code: "SIGNATURE_MISMATCH", message: expect.stringContaining(`v:f0 is ${refused}`) }),
    );
  });

  test.each<TensorType>(["int8", "int64", "uint64", "bool", "string"])("%s has no room for null", (type) => {
    expect(() => feed(planOf(type), [[null]])).toThrow(
      expect.objectContaining({ code: "FEATURES_MISSING", message: expect.stringContaining("v:f0 has no value") }),
    );
  });
});

describe("reading", () => {
  test("one value for [N] and [N, 1], a list for [N, k], nested beyond", () => {
    const six = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(read("float32", new Tensor(six, [6]), 6)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(read("float32", new Tensor(six, [6, 1]), 6)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(read("float32", new Tensor(six, [3, 2]), 3)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(read("float32", new Tensor(six, [1, 2, 3]), 1)).toEqual([
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ]);
    expect(read("float32", new Tensor(six, [3, 2, 1]), 3)).toEqual([
      [[1], [2]],
      [[3], [4]],
      [[5], [6]],
    ]);
    expect(read("float32", new Tensor(new Float32Array(0), [2, 0]), 2)).toEqual([[], []]);
  });

  test("values are exact", () => {
    const integers = BigInt64Array.of(2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n), -5n);
    expect(read("int64", new Tensor(integers, [5]), 5)).toEqual([
      2 ** 53 - 1,
      2n ** 53n,
      2n ** 53n + 1n,
      -(2n ** 63n),
      -5,
    ]);
    expect(read("float32", new Tensor(Float32Array.of(0.1), [1]), 1)).toEqual([0.10000000149011612]);
    expect(read("bool", new Tensor("bool", [true, false], [2]), 2)).toEqual([true, false]);
    expect(read("string", new Tensor("string", ["a", "b"], [2, 1]), 2)).toEqual(["a", "b"]);
    expect(read("float64", new Tensor(Float64Array.of(Number.NaN, -0), [2]), 2)).toEqual([Number.NaN, -0]);
  });

  test("a run of one row may leave the batch axis out, no other may", () => {
    expect(read("float32", new Tensor(Float32Array.of(7), []), 1)).toEqual([7]);
    expect(read("float32", new Tensor(Float32Array.of(7, 8), [2]), 1)).toEqual([[7, 8]]);
    expect(read("float32", new Tensor(Float32Array.of(7, 8), [2, 1]), 1)).toEqual([[[7], [8]]]);
    for (const dims of [[], [1], [1, 3], [2]]) {
      const size = dims.reduce((product, axis) => product * axis, 1);
      expect(() => read("float32", new Tensor(new Float32Array(size), dims), 3)).toThrow(
        expect.objectContaining({
          code: "MODEL_FAILED",
          message: expect.stringContaining(`[${dims.join(", ")}] for 3 rows`),
        }),
      );
    }
  });
});
