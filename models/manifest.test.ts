import { describe, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { EXAMPLES_MAX, featuresOf, parseManifest } from "./manifest.ts";

const FILE = "models/churn/model.json";

const WHOLE = {
  service: "churn_v1",
  inputs: { X: ["orders_30d", "customer_30d:aov_30d"], city: "city" },
  outputs: { label: "output_label", probabilities: "output_probability" },
  missing: { policy: "default", defaults: { orders_30d: 0, "customer_30d:aov_30d": "NaN", city: "" } },
  max_age: "2d",
  max_batch: 64,
  max_delay_us: 200,
  threads: 2,
  latency_budget: "5ms",
  score: "probabilities[1]",
  require_parity: "36h",
  class_labels: { probabilities: [0, 1], label: ["no", "yes"] },
  files: { "model.onnx": { sha256: "0123456789abcdef".repeat(4), bytes: 12 } },
  examples: [
    {
      inputs: { orders_30d: 1, "customer_30d:aov_30d": 2.5, city: "Wien" },
      outputs: { label: 0, probabilities: [0.25, 0.75] },
    },
  ],
};

const SMALL = { service: "s", inputs: { X: "a" }, outputs: { label: "y" } };

function refusal(manifest: unknown): string {
  try {
    parseManifest(typeof manifest === "string" ? manifest : JSON.stringify(manifest), FILE);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(HeadgateError);
    expect((thrown as HeadgateError).code).toBe("MANIFEST_INVALID");
    expect((thrown as HeadgateError).message.startsWith(`${FILE}: `)).toBe(true);
    return (thrown as HeadgateError).message;
  }
  throw new Error("the manifest was taken");
}

test("a quick model's budget may be less than a millisecond", () => {
  const text = JSON.stringify({ ...SMALL, latency_budget: "300us" });
  expect(parseManifest(text, "m.json").latencyBudgetMs).toBe(0.3);
});

test("a whole manifest is taken", () => {
  const manifest = parseManifest(JSON.stringify(WHOLE), FILE);
  expect(manifest).toEqual({
    file: FILE,
    service: "churn_v1",
    inputs: [
      { input: "X", features: ["orders_30d", "customer_30d:aov_30d"] },
      { input: "city", features: ["city"] },
    ],
    outputs: [
      { name: "label", output: "output_label" },
      { name: "probabilities", output: "output_probability" },
    ],
    missing: "default",
    defaults: WHOLE.missing.defaults,
    maxAgeMs: 2 * 86_400_000,
    examples: WHOLE.examples,
    maxBatchRows: 64,
    maxDelayUs: 200,
    threads: 2,
    latencyBudgetMs: 5,
    score: "probabilities[1]",
    requireParityMs: 36 * 3_600_000,
    classLabels: WHOLE.class_labels,
    files: WHOLE.files,
  });
  expect(Object.isFrozen(manifest)).toBe(true);
  expect(featuresOf(manifest)).toEqual(["orders_30d", "customer_30d:aov_30d", "city"]);
});

test("what may be left out has a meaning", () => {
  const manifest = parseManifest(JSON.stringify(SMALL), FILE);
  expect(manifest).toMatchObject({
    ...{ missing: "reject", defaults: {}, maxAgeMs: undefined, examples: [] },
    ...{ maxBatchRows: undefined, maxDelayUs: 0, threads: 1, latencyBudgetMs: undefined },
    ...{ score: undefined, requireParityMs: undefined, classLabels: {}, files: {} },
  });
});

describe("refused, naming file, path and what to write", () => {
  const example = (inputs: object, outputs: object) => ({ ...SMALL, examples: [{ inputs, outputs }] });
  test.each<[string, unknown, RegExp]>([
    ["not JSON", "{", /is not JSON/],
    ["a list", [], /must be an object with service, inputs/],
    ["an unknown key", { ...SMALL, servce: 1 }, /unknown key "servce"; the keys here are service, inputs/],
    ["an unknown key below", { ...SMALL, missing: { policy: "reject", def: {} } }, /missing has the unknown key "def"/],
    ["no service", { ...SMALL, service: undefined }, /service must name a feature service/],
    ["no inputs", { ...SMALL, inputs: {} }, /inputs is empty/],
    ["no outputs", { ...SMALL, outputs: {} }, /outputs is empty/],
    ["an input of nothing", { ...SMALL, inputs: { X: [] } }, /inputs\.X must/],
    ["an input of a number", { ...SMALL, inputs: { X: 3 } }, /inputs\.X must be a feature/],
    ["a feature that can't be one", { ...SMALL, inputs: { X: ["a", "b c"] } }, /inputs\.X\[1\] must name a feature/],
    ["the output name version", { ...SMALL, outputs: { version: "y" } }, /"version" is a name that the answer itself/],
    ["the output name error", { ...SMALL, outputs: { error: "y" } }, /"error" is a name that the answer itself/],
    ["an output name with a dot", { ...SMALL, outputs: { "a.b": "y" } }, /"a\.b" can't be used/],
    ["__proto__", '{"service":"s","inputs":{"__proto__":"a"},"outputs":{"label":"y"}}', /__proto__/],
    ["a policy that there is not", { ...SMALL, missing: { policy: "ignore" } }, /missing\.policy must be "reject"/],
    ["no default", { ...SMALL, missing: { policy: "default" } }, /no value for "a"/],
    [
      "one default of two",
      { ...WHOLE, missing: { policy: "default", defaults: { city: "" } } },
      /"orders_30d", "customer/,
    ],
    [
      "a default too many",
      { ...SMALL, missing: { policy: "default", defaults: { a: 1, b: 2 } } },
      /has "b", which is not/,
    ],
    ["defaults without the policy", { ...SMALL, missing: { policy: "null", defaults: { a: 1 } } }, /policy is "null"/],
    ["a length without unit", { ...SMALL, max_age: "2" }, /max_age is "2"/],
    ["no rows a run", { ...SMALL, max_batch: 0 }, /max_batch must be a whole number of rows from 1 to 1000000/],
    ["half a row a run", { ...SMALL, max_batch: 1.5 }, /max_batch must be a whole number/],
    [
      "a delay as text",
      { ...SMALL, max_delay_us: "1ms" },
      /max_delay_us must be a whole number of microseconds from 0/,
    ],
    ["no thread", { ...SMALL, threads: 0 }, /threads must be a whole number of worker threads from 1 to 64/],
    [
      "a budget as a number",
      { ...SMALL, latency_budget: 5 },
      /latency_budget must be a length such as "5ms" or "300us"/,
    ],
    ["a budget of no time", { ...SMALL, latency_budget: "0us" }, /latency_budget is "0us"/],
    ["a budget without unit", { ...SMALL, latency_budget: "5" }, /latency_budget is "5"/],
    ["parity without unit", { ...SMALL, require_parity: "36" }, /require_parity is "36"/],
    ["a score that is none", { ...SMALL, score: "label[x]" }, /score must name a number of the answer/],
    ["a score of no output", { ...SMALL, score: "risk[0]" }, /score has "risk", which is not a name in outputs/],
    ["labels of no output", { ...SMALL, class_labels: { risk: [0] } }, /class_labels has "risk", which is not/],
    [
      "labels that are none",
      { ...SMALL, class_labels: { label: [true] } },
      /class_labels\.label\[0\] must be a number/,
    ],
    [
      "a checksum cut short",
      { ...SMALL, files: { m: { sha256: "ab", bytes: 1 } } },
      /files\.m\.sha256 must be a SHA-256/,
    ],
    ["a file without size", { ...SMALL, files: { m: { sha256: "0".repeat(64) } } }, /files\.m\.bytes must be a whole/],
    ["an example without a feature", example({}, { label: 1 }), /examples\[0\]\.inputs has no value for "a"/],
    ["an example with another", example({ a: 1, b: 2 }, { label: 1 }), /examples\[0\]\.inputs has "b"/],
    ["an example of null", example({ a: null }, { label: 1 }), /only missing\.policy "null"/],
    ["an example of no output", example({ a: 1 }, {}), /examples\[0\]\.outputs is empty/],
    [
      "an example of an unknown output",
      example({ a: 1 }, { x: 1 }),
      /examples\[0\]\.outputs has "x".*there are "label"/,
    ],
    ["an example's object", example({ a: {} }, { label: 1 }), /examples\[0\]\.inputs\.a must be a number/],
    [
      "too many examples",
      { ...SMALL, examples: Array(EXAMPLES_MAX + 1).fill({ inputs: { a: 1 }, outputs: { label: 1 } }) },
      /at most/,
    ],
  ])("%s", (_, manifest, sentence) => {
    expect(refusal(manifest)).toMatch(sentence);
  });
});
