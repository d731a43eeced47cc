/**
 * Triton's own client, as it comes from PyPI, against `headgate serve`: everything that it can ask for, in its default
 * form (binary tensors) and in the others, compared with /predict and with what onnxruntime answered in Python.
 */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parseJson } from "../../features/json-text.ts";
import { expectEqual } from "../../models/fixtures/answers.ts";
import { readExpected, ZOO } from "../../models/fixtures/zoo.ts";
import type { ManifestOutputValue } from "../../models/manifest.ts";
import type { OutputValue } from "../../models/tensor.ts";
import { copyExample, headgate, run, serve } from "../harness/project.ts";
import { PYTHON_MISSING, pythonEnv } from "../harness/python-env.ts";
import { CHECKOUT } from "../harness/source-tree.ts";

const TOKEN = "token-of-the-test";
const TOLERANCE = 1e-5;
/** A dozen models are loaded, and a Python with numpy is started. */
const JOURNEY_TIMEOUT_MS = 240_000;
const SLOW = join(CHECKOUT, "models", "fixtures", "slow", "slow.onnx");
const CHURN = join(CHECKOUT, "examples", "churn", "models");
/** Of every datatype, with fixed batches, several inputs and ZipMaps that were taken out. */
const MODELS = [
  "float16",
  "string-matrix",
  "int64",
  "bool",
  "double",
  "integers",
  "text",
  "mixed-pipeline",
  "batch-of-four",
  "zipmap-string",
  "torch-half",
];

interface Told {
  readonly id: string | null;
  readonly version: string;
  readonly outputs: Readonly<
    Record<string, { datatype: string; shape: number[]; values: OutputValue[]; binary: boolean }>
  >;
}
interface Attempt {
  readonly done?: Told | null;
  readonly status?: string;
  readonly message?: string;
}
type Answers = Readonly<Record<string, Attempt>> & {
  readonly zoo: readonly { readonly model: string; readonly binary: Attempt; readonly json: Attempt }[];
  readonly wrong: Readonly<Record<string, Attempt>>;
  readonly async: readonly Told[];
};

const python = await pythonEnv("triton", ["tritonclient[http]==2.73.0"]);
let answers: Answers;
let predicted: Predicted;
/** By a model that runs in a worker process. */
let slowly: Predicted;

describe.skipIf(python === undefined)(`Triton's client${python === undefined ? ` (${PYTHON_MISSING})` : ""}`, () => {
  beforeAll(async () => {
    const project = await makeProject();
    const gateway = await serve(project, { HEADGATE_ADMIN_TOKEN: TOKEN });
    predicted = await predict(gateway.url, "churn");
    slowly = await predict(gateway.url, "slow");
    const models = (await (await fetch(`${gateway.url}/models/slow`)).json()) as { stable: { placement: string } };
    expect(models.stable.placement).toBe("workers");
    const file = join(project, "cases.json");
    writeFileSync(file, JSON.stringify(cases(slowly)));
    const script = join(CHECKOUT, "test", "journeys", "triton-client.py");
    const { exitCode, stderr, stdout } = await run([python!, script, new URL(gateway.url).host, file], project);
    expect(exitCode, stderr).toBe(0);
    answers = parseJson(stdout) as Answers;
  }, JOURNEY_TIMEOUT_MS);

  test("server and models say what they are and whether they are ready", () => {
    expect(answers.server).toMatchObject({ live: true, ready: true, metadata: { name: "headgate" } });
    expect(answers.ready).toEqual([true, true, false, false]);
    expect(answers.metadata).toMatchObject({
      inputs: [{ name: "input", datatype: "FP32", shape: [-1, 4] }],
      outputs: [
        { name: "label", datatype: "INT64", shape: [-1] },
        { name: "probabilities", datatype: "FP32", shape: [-1, 2] },
      ],
      joined_inputs: [{ name: "customer_id", datatype: "INT64", shape: [-1] }],
    });
    expect(answers.config).toMatchObject({ name: "churn", input: [{ data_type: "TYPE_FP32", dims: [4] }] });
    expect(answers.index).toContainEqual({ name: "churn", version: "1", state: "READY", reason: "" });
  });

  test("load looks into the repository, and needs the admin token; unload says what to do instead", () => {
    expect(answers.load).toEqual({ done: null });
    expect(answers.load_without).toMatchObject({ status: "401" });
    expect(answers.unload).toMatchObject({ status: "409", message: expect.stringContaining("headgate models retire") });
  });

  test.each(["binary", "gzip", "deflate", "patient"])(
    "%s: tensors are answered as Python's onnxruntime does",
    (way) => {
      const { outputs, version } = answers[way]!.done!;
      expect(version).toBe("1");
      expect(outputs.label).toMatchObject({ datatype: "INT64", shape: [2], binary: true });
      expect(outputs.probabilities).toMatchObject({ datatype: "FP32", shape: [2, 2], binary: true });
      expectExamples(outputs);
    },
  );

  test("what is asked for in JSON comes in JSON, and no more than is asked for; ids are echoed", () => {
    expect(answers.binary!.done!.id).toBe("r-1");
    const { outputs } = answers.json!.done!;
    expect(Object.keys(outputs)).toEqual(["probabilities"]);
    expect(outputs.probabilities!.binary).toBe(false);
    expectExamples(outputs);
    expect(answers.async.map(({ id }) => id)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
    for (const { outputs: its } of answers.async) expectExamples(its);
  });

  test.each(["entities", "column"])("%s: entity ids are answered as /predict does", (way) => {
    const { label, probabilities } = answers[way]!.done!.outputs;
    expect(label).toMatchObject({ shape: [2], values: predicted.predictions.map((one) => one.label) });
    expect(probabilities!.values).toEqual(predicted.predictions.flatMap((one) => one.probabilities));
  });

  test("a slow model answers tensors in its worker as it does entities", () => {
    expect(answers.slow_config).toMatchObject({ instance_group: [{ count: 1 }] });
    const { Y } = answers.slow!.done!.outputs;
    expect(Y).toMatchObject({ datatype: "FP32", shape: [2, 1], values: slowly.predictions.map(({ y }) => y) });
  });

  test("what is wrong is an exception with a sentence", () => {
    expect(answers.nobody).toMatchObject({ status: "422", message: expect.stringContaining("Row 1 ") });
    expect(answers.wrong.shape).toMatchObject({ status: "422", message: expect.stringContaining('no input "X"') });
    expect(answers.wrong.datatype).toMatchObject({
      status: "422",
      message: expect.stringContaining("FP32 in the model"),
    });
    expect(answers.wrong.model).toMatchObject({ status: "404" });
    expect(answers.wrong.version).toMatchObject({ status: "404" });
  });

  test.each(MODELS)("%s: every datatype, as Python's onnxruntime answered", (model) => {
    const expected = readExpected(model).outputs;
    const told = answers.zoo.find((one) => one.model === model)!;
    for (const [way, { done, message }] of Object.entries({ binary: told.binary, json: told.json })) {
      expect(message, way).toBeUndefined();
      for (const [name, output] of Object.entries(manifestOf(model).outputs)) {
        const wanted = expected[name]!.flat(9) as readonly ManifestOutputValue[];
        const { values } = done!.outputs[output]!;
        expect(values.length, `${way} ${name}`).toBe(wanted.length);
        for (const [i, value] of wanted.entries()) {
          expectEqual(values[i]!, value, TOLERANCE, `${way} ${name}[${i}]`);
        }
      }
    }
  });

  test("statistics count the rows and the requests", () => {
    const { inference_count, inference_stats } = (answers.statistics as unknown as Statistics).model_stats[0]!;
    const { fail, success } = inference_stats;
    // Two rows each: five ways, two of entities and eight at once; of /predict's two rows, too.
    expect(inference_count).toBeGreaterThanOrEqual(2 * (5 + 2 + 8 + 1));
    expect(success).toMatchObject({ count: 5 + 2 + 8 });
    expect(fail!.count).toBe(3);
    expect(success!.ns).toBeGreaterThan(0);
    expect((answers.all_statistics as unknown as Statistics).model_stats.length).toBe(MODELS.length + 2);
  });
});

/** What /predict answers for two customers, and the features that it does so from. */
interface Predicted {
  readonly predictions: readonly { readonly label: number; readonly probabilities: number[]; readonly y: number }[];
  readonly features: readonly { readonly values: Readonly<Record<string, { readonly value: number }>> }[];
}

async function predict(url: string, model: string): Promise<Predicted> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
  const entities = [{ customer_id: 17 }, { customer_id: 18 }];
  const body = JSON.stringify({ model, entities, explain: true });
  const response = await fetch(`${url}/predict`, { method: "POST", headers, body });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as Predicted;
}

interface Statistics {
  readonly model_stats: readonly {
    readonly inference_count: number;
    readonly inference_stats: Readonly<Record<string, { readonly count: number; readonly ns: number }>>;
  }[];
}

/** The example with some models of the zoo beside its own, applied and materialized. */
async function makeProject(): Promise<string> {
  const project = copyExample();
  for (const model of MODELS) cpSync(join(ZOO, model), join(project, "models", model), { recursive: true });
  writeFileSync(join(project, "features", "zoo.ts"), zooFeatures());
  const slow = join(project, "models", "slow");
  mkdirSync(join(slow, "1"), { recursive: true });
  cpSync(SLOW, join(slow, "1", "model.onnx"));
  const { inputs, missing, service } = manifestOf("churn");
  writeFileSync(
    join(slow, "model.json"),
    JSON.stringify({ service, missing, inputs: { X: inputs.input }, outputs: { y: "Y" } }),
  );
  const steps = [[process.execPath, "prepare.mjs"], headgate("apply"), headgate("materialize-incremental", "now")];
  for (const step of steps) {
    const { exitCode, stderr } = await run(step, project);
    expect(exitCode, stderr).toBe(0);
  }
  return project;
}

/** A view and a service for each model of the zoo. */
function zooFeatures(): string {
  const declared = MODELS.map((model) => {
    const name = model.replaceAll("-", "_");
    const schema = readExpected(model).columns.map(({ field, type }) => `${field}: t.${type.kind}()`);
    return `export const ${name}_view = t.featureView("${name}_view", { entities: [sample], schema: { ${schema.join(", ")} } });
export const ${name}_service = t.featureService("${name}", [${name}_view]);`;
  });
  return `import * as t from "headgate";
export const sample = t.entity("sample", { joinKeys: { sample_id: t.int64() } });
${declared.join("\n")}
`;
}

interface Manifest {
  readonly service: string;
  readonly missing: unknown;
  readonly inputs: Readonly<Record<string, string | readonly string[]>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly examples: readonly {
    readonly inputs: Readonly<Record<string, number>>;
    readonly outputs: Record<string, number[]>;
  }[];
}

const manifestOf = (model: string): Manifest =>
  JSON.parse(readFileSync(join(model === "churn" ? CHURN : ZOO, model, "model.json"), "utf8")) as Manifest;

/** What the client is to send. */
function cases({ features }: Predicted): unknown {
  const read = features.map(({ values }) => Object.values(values).map(({ value }) => value));
  const rows = manifestOf("churn")
    .examples.slice(0, 2)
    .map(({ inputs }) => Object.values(inputs));
  const zoo = MODELS.map((model) => {
    const { columns, rows: given } = JSON.parse(readFileSync(join(ZOO, model, "expected.json"), "utf8"));
    const byField = columns.map(({ field }: { field: string }, i: number) => [
      field,
      given.map((row: unknown[]) => row[i]),
    ]);
    return { model, inputs: manifestOf(model).inputs, columns: Object.fromEntries(byField) };
  });
  return {
    token: TOKEN,
    output: "probabilities",
    churn: ["input", "FP32", [2, 4], rows],
    slow: ["X", "FP32", [2, 4], read],
    zoo,
  };
}

/** The churn model's answers for its first two examples, which Python made. */
function expectExamples(outputs: Told["outputs"]): void {
  const examples = manifestOf("churn").examples.slice(0, 2);
  for (const [name, { values }] of Object.entries(outputs)) {
    const wanted = examples.flatMap((one) => one.outputs[name]!);
    expect(values.length).toBe(wanted.length);
    for (const [i, value] of wanted.entries()) expect(values[i]).toBeCloseTo(value, 6);
  }
}
