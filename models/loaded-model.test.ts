import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FeatureColumn } from "../features/read-plan.ts";
import { expectAnswers } from "./fixtures/answers.ts";
import { columnOfKind, readExpected, ZOO, zooColumns } from "./fixtures/zoo.ts";
import { type LoadedModel, loadModel, type ModelStateEvent } from "./loaded-model.ts";
import { parseManifest } from "./manifest.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";
import type { ModelRunEvent } from "./run-counts.ts";

const now = () => performance.now();
const TOLERANCE = 1e-6;
let repository: ModelRepository;
let model: LoadedModel | undefined;

beforeEach(async () => {
  repository = await openModelRepository(ZOO);
});

afterEach(async () => {
  await model?.close();
  model = undefined;
});

async function load(
  name: string,
  columnsOf: (service: string) => readonly FeatureColumn[] | undefined = zooColumns,
): Promise<LoadedModel> {
  model = await loadModel({ repository, name, version: 1, columnsOf, now });
  return model;
}

test("the churn example answers as it does in Python, for all rows of its fixture", async (context) => {
  const example = fileURLToPath(new URL("../examples/churn", import.meta.url));
  if (!existsSync(`${example}/fixtures/predictions.json`)) return context.skip("the example is not in this copy");
  repository = await openModelRepository(`${example}/models`);
  const { columns, rows, ...outputs } = JSON.parse(readFileSync(`${example}/fixtures/predictions.json`, "utf8"));
  const kinds = { orders_30d: "int64" } as Record<string, "int64">;
  const loaded = await load("churn", () =>
    columns.map((field: string) => columnOfKind(kinds[field] ?? "float32", field)),
  );
  expect(rows.length).toBeGreaterThanOrEqual(1_000);
  expect(loaded.classLabels).toEqual({ probabilities: [0, 1] });
  await expectAnswers(loaded, rows, outputs, TOLERANCE);
});

test("tells what it is made of", async () => {
  const loaded = await load("zipmap-string");
  expect(loaded.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(loaded.modelBytes).toBe(readFileSync(`${ZOO}/zipmap-string/1/model.onnx`).length);
  expect(loaded.classLabels).toEqual({ probabilities: ["bronze", "gold", "silver"] });
  expect(loaded.signature.columns).toEqual([0, 1, 2]);
  expect(Object.isFrozen(loaded)).toBe(true);
});

test("columns may stand in any order among others", async () => {
  const { columns, rows, outputs } = readExpected("mixed-pipeline");
  const shuffled = [columnOfKind("bytes", "raw"), ...columns.toReversed()];
  const loaded = await load("mixed-pipeline", () => shuffled);
  await expectAnswers(
    loaded,
    rows.map((row) => [null, ...row.toReversed()]),
    outputs,
    TOLERANCE,
  );
});

describe("refused", () => {
  const refusal = (name: string, columnsOf = zooColumns) => load(name, columnsOf).catch((thrown) => thrown);

  test("a feature service that is not declared", async () => {
    const error = await refusal("double", () => undefined);
    expect(error).toMatchObject({
      code: "SIGNATURE_MISMATCH",
      message: expect.stringMatching(/model\.json: there is no feature service "double"/),
    });
  });

  test("a feature of a type that the graph can't be fed", async () => {
    const error = await refusal("zipmap-int64", () => ["f0", "f1", "f2"].map((field) => columnOfKind("string", field)));
    expect(error).toMatchObject({
      code: "SIGNATURE_MISMATCH",
      message: expect.stringMatching(/v:f0 is string, but input "X" is float32/),
    });
  });

  test("a version and a model that there is not", async () => {
    await expect(
      loadModel({ repository, name: "double", version: 9, columnsOf: zooColumns, now }),
    ).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
    await expect(loadModel({ repository, name: "none", version: 1, columnsOf: zooColumns, now })).rejects.toMatchObject(
      { code: "MANIFEST_INVALID" },
    );
  });
});

test("closing answers what was taken, then refuses", async () => {
  const { rows } = readExpected("regressor");
  const loaded = await load("regressor");
  const answers = rows.map((row) => loaded.predict([row]));
  const closing = loaded.close();
  expect(loaded.state).toBe("UNLOADING");
  expect(await Promise.all(answers)).toHaveLength(rows.length);
  await closing;
  expect(loaded.state).toBe("UNAVAILABLE");
  await expect(loaded.predict(rows)).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
  await loaded.close();
});

test("states and runs are told to whoever listens", async () => {
  const states: string[] = [];
  const runs: ModelRunEvent[] = [];
  const onState = (event: unknown) => states.push((event as ModelStateEvent).state);
  const onRun = (event: unknown) => runs.push(event as ModelRunEvent);
  subscribe("headgate:model-state", onState);
  subscribe("headgate:model-run", onRun);
  const { rows } = readExpected("int64");
  const loaded = await load("int64");
  await Promise.all([loaded.predict(rows), loaded.predict(rows)]);
  await loaded.predict([[null]]).catch(() => undefined);
  await loaded.close();
  await load("int64", () => undefined).catch(() => undefined);
  unsubscribe("headgate:model-state", onState);
  unsubscribe("headgate:model-run", onRun);
  expect(states).toEqual(["LOADING", "READY", "UNLOADING", "UNAVAILABLE", "LOADING", "UNAVAILABLE"]);
  expect(runs).toEqual([
    { model: "int64", version: 1, rows: rows.length * 2, durationMs: expect.any(Number), failed: false },
    { model: "int64", version: 1, rows: 1, durationMs: expect.any(Number), failed: true },
  ]);
});

test("one that only goes to another place is READY again without a word, unless it does not load", async () => {
  const states: string[] = [];
  const onState = (event: unknown) => states.push((event as ModelStateEvent).state);
  subscribe("headgate:model-state", onState);
  const moved = { repository, name: "int64", version: 1, now, isMove: true };
  await (await loadModel({ ...moved, columnsOf: zooColumns })).close();
  await loadModel({ ...moved, columnsOf: () => undefined }).catch(() => undefined);
  unsubscribe("headgate:model-state", onState);
  expect(states).toEqual(["UNLOADING", "UNAVAILABLE", "UNAVAILABLE"]);
});

test("a candidate's states and runs are told to nobody, whether it loads or not", async () => {
  const told: unknown[] = [];
  const listener = (event: unknown) => void told.push(event);
  for (const name of ["headgate:model-state", "headgate:model-run"]) subscribe(name, listener);
  const tried = { repository, name: "int64", version: 1, now, isCandidate: true };
  const candidate = await loadModel({ ...tried, columnsOf: zooColumns });
  await candidate.predict(readExpected("int64").rows);
  await candidate.close();
  await loadModel({ ...tried, columnsOf: () => undefined }).catch(() => undefined);
  for (const name of ["headgate:model-state", "headgate:model-run"]) unsubscribe(name, listener);
  expect(told).toEqual([]);
});

test.each([
  [undefined, undefined, [1_024, 476]],
  [2_000, undefined, [1_500]],
  [2_000, 1_200, [1_200, 300]],
  [700, 1_200, [700, 700, 100]],
])("a setting of %j rows a run and a manifest's %j", async (maxBatchRows, written, runs) => {
  const rows: number[] = [];
  const listener = (event: unknown) => void rows.push((event as ModelRunEvent).rows);
  subscribe("headgate:model-run", listener);
  const manifest = parseManifest((await repository.readManifest("int64", 1)).content, "model.json");
  model = await loadModel({
    ...{ repository, name: "int64", version: 1, columnsOf: zooColumns, now, maxBatchRows },
    manifest: { ...manifest, maxBatchRows: written },
  });
  const [row] = readExpected("int64").rows;
  await model.predict(Array.from({ length: 1_500 }, () => row!));
  unsubscribe("headgate:model-run", listener);
  expect(rows).toEqual(runs);
});
