import { describe, expect, test } from "vitest";
import { columnOfKind } from "./fixtures/zoo.ts";
import {
  checkExamples,
  checkScore,
  compileExamples,
  WARM_UP_MAX_MS,
  WARM_UP_ROWS,
  WARM_UP_RUNS,
  warmUp,
} from "./golden.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { RunModel } from "./session.ts";
import { compileSignature, type TensorType } from "./signature.ts";
import type { FeatureRow, OutputValue } from "./tensor.ts";

const COLUMNS = [columnOfKind("float32", "unused"), columnOfKind("float32", "f")];

function setUp(type: TensorType, expected: readonly unknown[]) {
  const examples = expected.map((one, i) => ({ inputs: { f: i }, outputs: { answer: one } }));
  const text = JSON.stringify({ service: "s", inputs: { X: "f" }, outputs: { other: "z", answer: "y" }, examples });
  const manifest: Manifest = parseManifest(text, "m/model.json");
  const graph = {
    file: "m/1/model.onnx",
    inputs: [{ name: "X", type: "float32" as const, shape: ["N", 1] }],
    outputs: [
      { name: "y", type, shape: [] },
      { name: "z", type, shape: [] },
    ],
  };
  const signature = compileSignature(manifest, graph, COLUMNS);
  return { manifest, signature, examples: compileExamples(manifest, COLUMNS) };
}

/** A model that answers by the feature, which is the example's number. */
const answering =
  (answers: readonly OutputValue[]): RunModel =>
  async (take) => {
    const rows = take() as readonly FeatureRow[];
    return { outputs: [rows.map(() => "not compared"), rows.map((row) => answers[Number(row[1])]!)] };
  };

async function check(type: TensorType, expected: readonly unknown[], answers: readonly OutputValue[]): Promise<void> {
  const { manifest, signature, examples } = setUp(type, expected);
  await checkExamples(answering(answers), examples, signature, manifest);
}

test.each<[TensorType, unknown[], OutputValue[]]>([
  ["float32", [0.25, 1000], [0.250024, 1000.09]],
  [
    "float64",
    ["NaN", "Infinity", "-Infinity", 0],
    [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 9e-7],
  ],
  [
    "float32",
    [
      [0.1, 0.9],
      [[1], [2]],
    ],
    [
      [0.1, 0.90001],
      [[1], [2]],
    ],
  ],
  ["int64", [1, "9007199254740993", -3.0], [1, 9007199254740993n, -3]],
  ["string", ["churn", "NaN"], ["churn", "NaN"]],
  ["bool", [true, [false, true]], [true, [false, true]]],
])("%s: %o is answered by %o", async (type, expected, answers) => {
  await check(type, expected, answers);
});

describe("GOLDEN_MISMATCH names example, output, expected and got", () => {
  test.each<[TensorType, unknown, OutputValue, RegExp]>([
    ["float32", 0.25, 0.2501, /expected 0\.25, got 0\.2501/],
    ["float32", 1, Number.NaN, /expected 1, got "NaN"/],
    ["float32", "NaN", 0, /expected "NaN", got 0/],
    ["float32", "abc", Number.NaN, /expected "abc", got "NaN"/],
    ["float32", "", 0, /expected "", got 0/],
    ["float64", "1", 1, /expected "1", got 1/],
    ["float32", [0.5, 0.5], [0.5, 0.4], /\[1\] expected 0\.5, got 0\.4/],
    ["float32", [0.5, 0.5], [0.5], / expected \[0\.5,0\.5\], got \[0\.5\]/],
    [
      "float32",
      [
        [1, 2],
        [3, 4],
      ],
      [
        [1, 2],
        [3, 5],
      ],
      /\[1\]\[1\] expected 4, got 5/,
    ],
    ["float32", [1], 1, /expected \[1\], got 1/],
    ["int64", 1, 2, /expected 1, got 2/],
    ["int64", 1, 9007199254740993n, /got 9007199254740993/],
    ["int64", true, 1, /expected true, got 1/],
    ["string", "churn", "stay", /expected "churn", got "stay"/],
    ["bool", 1, true, /expected 1, got true/],
  ])("%s: %o and not %o", async (type, expected, answer, sentence) => {
    const fine = type === "string" ? "churn" : type === "bool" ? true : 1;
    await expect(check(type, [fine, expected], [fine, answer])).rejects.toMatchObject({
      code: "GOLDEN_MISMATCH",
      message: expect.stringMatching(
        new RegExp(`^m/model\\.json: examples\\[1\\]\\.outputs\\.answer.*${sentence.source}`),
      ),
    });
  });

  test("right alone and wrong in a batch", async () => {
    const { manifest, signature, examples } = setUp("float32", [1, 2]);
    const run: RunModel = async (take) => {
      const rows = take() as readonly FeatureRow[];
      return { outputs: [[], rows.map((row) => (rows.length > 1 ? 1 : Number(row[1]) + 1))] };
    };
    await expect(checkExamples(run, examples, signature, manifest)).rejects.toThrow(
      /examples\[1\]\.outputs\.answer expected 2, got 1 in a batch of 64 rows/,
    );
  });
});

test("an example's value of another type is refused by its path", () => {
  const text =
    '{"service":"s","inputs":{"X":"f"},"outputs":{"a":"y"},"examples":[{"inputs":{"f":"x"},"outputs":{"a":1}}]}';
  expect(() => compileExamples(parseManifest(text, "m/model.json"), COLUMNS)).toThrow(
    /m\/model\.json: examples\[0\]\.inputs\.f is "x", but v:f is of type float32/,
  );
});

describe("warming up", () => {
  /** A clock that each run moves by the next of the given lengths, ms. */
  function clocked(lengthsMs: readonly number[]) {
    let nowMs = 0;
    const batches: number[] = [];
    const run: RunModel = async (take) => {
      const { length } = take();
      nowMs += lengthsMs[batches.length % lengthsMs.length]!;
      batches.push(length);
      return { outputs: [] };
    };
    return { run, batches, now: () => nowMs };
  }

  test("runs a larger batch, then single rows, and tells the least time of these", async () => {
    const { signature, examples } = setUp("float32", [1]);
    const { run, batches, now } = clocked([0.5, 0.4, 0.04, 0.03]);
    const { batchMs, runMicros } = await warmUp(run, examples, signature, COLUMNS, now);
    expect(runMicros).toBe(30);
    expect(batchMs).toBeCloseTo(0.4, 9);
    expect(batches).toEqual([WARM_UP_ROWS, WARM_UP_ROWS, ...Array(WARM_UP_RUNS).fill(1)]);
  });

  test("a slow model is run a few times only, and at least once", async () => {
    const { signature, examples } = setUp("float32", [1]);
    const slow = clocked([WARM_UP_MAX_MS / 4]);
    const warm = await warmUp(slow.run, examples, signature, COLUMNS, slow.now);
    expect(warm.runMicros).toBe((WARM_UP_MAX_MS / 4) * 1_000);
    expect(slow.batches).toEqual([WARM_UP_ROWS, WARM_UP_ROWS, 1, 1, 1, 1]);
    const slowest = clocked([10 * WARM_UP_MAX_MS]);
    const slowestWarm = await warmUp(slowest.run, examples, signature, COLUMNS, slowest.now);
    expect(slowestWarm.runMicros).toBe(10 * WARM_UP_MAX_MS * 1_000);
    expect(slowest.batches).toEqual([WARM_UP_ROWS, 1]);
  });

  test("without examples it takes zeros, and says so when they fail", async () => {
    const { signature } = setUp("float32", []);
    const rows: unknown[] = [];
    await warmUp(
      async (take) => {
        rows.push(...take());
        return { outputs: [] };
      },
      [],
      signature,
      COLUMNS,
      () => 0,
    );
    expect(rows[0]).toEqual([0, 0]);
    const failing: RunModel = async () => Promise.reject(new Error("no such category."));
    await expect(warmUp(failing, [], signature, COLUMNS, () => 0)).rejects.toThrow(
      /no such category\. That was a row of zeros/,
    );
  });
});

describe("a manifest that allows fewer rows in a run", () => {
  test("is proven with no more", async () => {
    const { manifest, signature, examples } = setUp("float32", [0, 1, 2, 3, 4, 5, 6]);
    const sizes: number[] = [];
    const run: RunModel = async (take) => {
      const rows = take() as readonly FeatureRow[];
      sizes.push(rows.length);
      return answering([0, 1, 2, 3, 4, 5, 6])(() => rows);
    };
    await checkExamples(run, examples, signature, { ...manifest, maxBatchRows: 3 });
    expect(sizes.splice(0)).toEqual([1, 1, 1, 1, 1, 1, 1, 3, 3, 1]);
    await checkExamples(run, examples, signature, { ...manifest, maxBatchRows: 1 });
    expect(sizes.splice(0)).toEqual([1, 1, 1, 1, 1, 1, 1]);
    await warmUp(run, examples, signature, COLUMNS, () => 0, 3);
    expect(sizes.slice(0, 3)).toEqual([3, 3, 1]);
  });

  test("is compared in every part", async () => {
    const { manifest, signature, examples } = setUp("float32", [0, 1, 2, 3, 4]);
    const run: RunModel = async (take) => {
      const rows = take() as readonly FeatureRow[];
      return answering([0, 1, 2, 3, rows.length === 1 ? 4 : 7])(() => rows);
    };
    await expect(checkExamples(run, examples, signature, { ...manifest, maxBatchRows: 3 })).rejects.toThrow(
      /examples\[4\].*got 7 in a batch of 2 rows/,
    );
  });
});

test("an example says nothing of outputs that have the name of something every object has", async () => {
  const text = JSON.stringify({
    ...{ service: "s", inputs: { X: "f" }, outputs: { answer: "y", constructor: "z" } },
    examples: [{ inputs: { f: 1 }, outputs: { answer: 1 } }],
  });
  expect(compileExamples(parseManifest(text, "m/model.json"), COLUMNS)).toMatchObject([{ expected: [1, undefined] }]);
});

test("no further example is run once nobody waits", async () => {
  const { manifest, signature, examples } = setUp("float32", [0, 1, 2]);
  const ending = new AbortController();
  let runs = 0;
  const run: RunModel = async (take) => {
    runs++;
    ending.abort(new Error("it ends"));
    return answering([0, 1, 2])(take);
  };
  await expect(checkExamples(run, examples, signature, manifest, ending.signal)).rejects.toThrow("it ends");
  expect(runs).toBe(1);
});

describe("the manifest's score", () => {
  const scored = async (score: string, type: TensorType, answer: OutputValue, isExample = true) => {
    const { manifest, signature, examples } = setUp(type, isExample ? [answer] : []);
    await checkScore(answering([answer]), examples, signature, COLUMNS, { ...manifest, score });
  };

  test.each<[string, TensorType, OutputValue]>([
    ["answer", "float32", 0.5],
    ["answer", "int64", 7n],
    ["answer[1]", "float32", [0.5, Number.NaN]],
    ["answer[0]", "float64", [[1, 2]]],
  ])("%s of a %s is a number", async (score, type, answer) => {
    await expect(scored(score, type, answer, typeof answer === "number")).resolves.toBeUndefined();
  });

  test.each<[string, TensorType, OutputValue, string]>([
    ["answer[7]", "float32", [0.5, 0.5], '"answer" is a list of 2 (float32)'],
    ["answer", "string", "churn", '"answer" is one string'],
    ["answer[0]", "bool", [true], '"answer" is a list of 1 (bool)'],
  ])("%s of a %s is refused", async (score, type, answer, what) => {
    await expect(scored(score, type, answer)).rejects.toMatchObject({
      code: "MANIFEST_INVALID",
      message: `m/model.json: score "${score}" is no number of the answer: ${what}; name a number of it.`,
    });
  });
});
