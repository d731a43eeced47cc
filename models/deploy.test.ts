import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import type { Registry } from "../features/registry.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import { CHECKOUT } from "../test/harness/source-tree.ts";
import { type DeployRequest, type DeployTools, deploy } from "./deploy.ts";
import { inspectHere } from "./deploy-graph.ts";
import { ManifestNeeded } from "./deploy-manifest.ts";
import type { DeployStep } from "./deploy-step.ts";
import { sha256Of } from "./file-sums.ts";
import { readBroken } from "./fixtures/zoo.ts";
import { loadModel } from "./loaded-model.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";

const MODELS = join(CHECKOUT, "examples", "churn", "models");
const GRAPH = new Uint8Array(readFileSync(join(MODELS, "churn", "1", "model.onnx")));
const MANIFEST = readFileSync(join(MODELS, "churn", "model.json"), "utf8");
const NOW_MS = Date.UTC(2026, 10, 23);

let registry: Registry;
let folder: string;
let repository: ModelRepository;
let steps: DeployStep[];

beforeAll(async () => {
  registry = await loadFeatureRepository(join(CHECKOUT, "examples", "churn"));
});

beforeEach(async () => {
  folder = temporaryFolder();
  repository = await openModelRepository(folder, { mayBeEmpty: true });
  steps = [];
});

const tools = (over: Partial<DeployTools> = {}): DeployTools => ({
  repository,
  registry,
  inspect: inspectHere,
  load: (version) =>
    loadModel({
      ...version,
      columnsOf: (service) => compileReadPlan(registry.services.get(service)!).columns,
      now: () => performance.now(),
    }),
  dryRun: async () => "nothing was asked for",
  parityVerdicts: async () => new Map(),
  servingVersion: async () => undefined,
  now: () => NOW_MS,
  clock: () => performance.now(),
  ...over,
});

const request = (over: Partial<DeployRequest> = {}): DeployRequest => ({
  model: "churn",
  file: { name: "model.onnx", bytes: GRAPH },
  weights: [],
  manifest: { text: MANIFEST, file: "model.json" },
  sha256: undefined,
  dryRun: false,
  onStep: (step) => void steps.push(step),
  ...over,
});

/** A manifest with some members changed; undefined leaves one out. */
const manifestWith = (over: object) => ({ text: JSON.stringify({ ...JSON.parse(MANIFEST), ...over }), file: "m.json" });
const said = () => steps.map(({ step, ok }) => `${step} ${ok}`);
const refusal = (asked: DeployRequest, over?: Partial<DeployTools>) =>
  deploy(tools(over), asked).then(
    () => expect.fail("it was taken"),
    (thrown: unknown) => thrown,
  );
const storedVersions = () => repository.versions("churn").catch(() => []);

test("what passes every step is a version, with its files told in its manifest, and serves as the first of its model", async () => {
  const deployed = await deploy(tools(), request({ sha256: sha256Of(GRAPH).toUpperCase() }));
  expect(deployed).toMatchObject({ model: "churn", version: 1, stored: true, isFirst: true, sha256: sha256Of(GRAPH) });
  expect(said()).toEqual(
    ["checksum", "graph", "manifest", "signature", "golden", "dry_run", "store"].map((s) => `${s} true`),
  );
  expect(await storedVersions()).toEqual([1]);
  const { content } = await repository.readManifest("churn", 1);
  expect(JSON.parse(content)).toMatchObject({
    class_labels: { probabilities: [0, 1] },
    files: { "model.onnx": { sha256: sha256Of(GRAPH), bytes: GRAPH.length } },
  });
  expect(JSON.parse((await repository.readTraffic("churn"))!.content)).toEqual({ stable: 1 });
  expect(await deploy(tools(), request())).toMatchObject({ version: 2, isFirst: false });
});

test("the first deploy makes the repository's folder", async () => {
  repository = await openModelRepository(join(folder, "new"), { mayBeEmpty: true });
  expect(await deploy(tools(), request())).toMatchObject({ version: 1, stored: true });
  expect(await storedVersions()).toEqual([1]);
});

test("a repository that does not answer is told of before anything is looked at", async () => {
  const away = new HeadgateError("REPOSITORY_UNREACHABLE", "It does not answer.");
  repository = { ...repository, snapshot: () => Promise.reject(away) };
  expect(await refusal(request())).toBe(away);
  expect(steps).toEqual([]);
});

test("a deploy moves no traffic: who serves now is written down before the new version can be seen", async () => {
  cpSync(MODELS, folder, { recursive: true });
  const seen: unknown[] = [];
  const look = async () => [await repository.versions("churn"), (await repository.readTraffic("churn"))?.content];
  const addVersion: ModelRepository["addVersion"] = (model, version, upload) =>
    repository.addVersion(model, version, {
      ...upload,
      beforeSeen: async () => {
        seen.push(await look());
        await upload.beforeSeen!();
        seen.push(await look());
      },
    });
  const watched = { ...repository, addVersion };
  const deployed = await deploy(tools({ repository: watched, servingVersion: async () => 1 }), request());
  expect(deployed.version).toBe(2);
  const pin = '{\n  "stable": 1\n}\n';
  expect(seen).toEqual([
    [[1], undefined],
    [[1], pin],
  ]);
  expect(await look()).toEqual([[2, 1], pin]);
});

test("files that can't be stored leave no traffic; what fails after it was written says that it stays", async () => {
  cpSync(MODELS, folder, { recursive: true });
  const full = new HeadgateError("REPOSITORY_UNREACHABLE", "Full.");
  const failing = (addVersion: ModelRepository["addVersion"]) => ({
    repository: { ...repository, addVersion },
    servingVersion: async () => 1,
  });
  expect(
    await refusal(
      request(),
      failing(() => Promise.reject(full)),
    ),
  ).toBe(full);
  expect(await repository.readTraffic("churn")).toBeUndefined();
  const late = failing(async (_model, _version, { beforeSeen }) => {
    await beforeSeen!();
    throw full;
  });
  expect(String(await refusal(request(), late))).toMatch(/Full\. churn\/traffic\.json.*stays: version 1 serves on/);
  expect(await refusal(request(), late)).toBe(full);
});

test("a process that ends gives the deploy up, whatever it was at", async () => {
  const [ending, reason] = [new AbortController(), new HeadgateError("OVERLOADED", "It ends.")];
  const dryRun = () => Promise.reject(new Error("its worker was ended")).finally(() => ending.abort(reason));
  expect(await refusal(request(), { dryRun, signal: ending.signal })).toBe(reason);
  expect(steps.at(-1)).toMatchObject({ step: "dry_run", ok: false, detail: "It ends." });
});

test("checks that take too long are given up", async () => {
  const dryRun: DeployTools["dryRun"] = (_model, signal) =>
    new Promise((_, reject) => signal!.addEventListener("abort", () => reject(new Error("its worker was ended"))));
  expect(await refusal(request({ checksMaxMs: 500 }), { dryRun })).toMatchObject({
    code: "MODEL_FAILED",
    message: expect.stringMatching(/took longer than 0\.5 s/),
  });
  expect(await storedVersions()).toEqual([]);
});

test("without a manifest the newest version's is taken, but not its examples", async () => {
  await deploy(tools(), request());
  const { manifest } = await deploy(tools(), request({ manifest: undefined }));
  expect(JSON.parse(manifest)).toMatchObject({ service: "churn_v1", max_age: "2d" });
  expect(JSON.parse(manifest).examples).toBeUndefined();
  expect(steps.filter(({ step }) => step === "manifest")[1]!.detail).toContain("without its examples");
});

test("the first version of a model needs none where its graph says enough", async () => {
  const { manifest } = await deploy(tools(), request({ manifest: undefined }));
  expect(JSON.parse(manifest)).toMatchObject({
    service: "churn_v1",
    inputs: { input: ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"] },
  });
  expect(steps[2]!.detail).toMatch(/"input" takes orders_30d, aov_30d, .*: the graph does not name its columns, so /);
});

test("where it does not, the refusal says what is missing and has a manifest to complete", async () => {
  const bytes = new Uint8Array(readFileSync(join(CHECKOUT, "models/fixtures/zoo/mixed-pipeline/1/model.onnx")));
  const thrown = await refusal(request({ manifest: undefined, file: { name: "mixed.onnx", bytes } }));
  expect(thrown).toMatchObject({
    code: "MANIFEST_INVALID",
    message: expect.stringMatching(/Input ".+" .*feature service "churn_v1".*\{"service":"churn_v1"/),
  });
  expect(said()).toEqual(["checksum true", "graph true", "manifest false"]);
});

test("a file that the newest version's manifest does not fit is refused with one to begin with", async () => {
  await deploy(tools(), request());
  const bytes = new Uint8Array(readFileSync(join(CHECKOUT, "models/fixtures/zoo/mixed-pipeline/1/model.onnx")));
  const thrown = await refusal(request({ manifest: undefined, file: { name: "mixed.onnx", bytes } }));
  expect(thrown).toBeInstanceOf(ManifestNeeded);
  expect(thrown).toMatchObject({
    code: "SIGNATURE_MISMATCH",
    message: expect.stringMatching(/newest version's manifest.*--manifest.*\{"service":"churn_v1"/),
  });
  // With a manifest of its own the mismatch is that one's.
  const own = await refusal(request({ file: { name: "mixed.onnx", bytes } }));
  expect(own).not.toBeInstanceOf(ManifestNeeded);
});

test("a dry run stores nothing", async () => {
  expect(await deploy(tools(), request({ dryRun: true }))).toMatchObject({ version: 1, stored: false });
  expect(await storedVersions()).toEqual([]);
});

test("of two at once one wins, and the other is told", async () => {
  const both = await Promise.allSettled([deploy(tools(), request()), deploy(tools(), request())]);
  expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const lost = both.find((one) => one.status === "rejected") as PromiseRejectedResult;
  expect(lost.reason).toMatchObject({ code: "DEPLOY_CONFLICT" });
  expect(await storedVersions()).toEqual([1]);
  // The number that was fought for is used up once; the next deploy has the next.
  expect(await deploy(tools(), request())).toMatchObject({ version: 2 });
});

describe("refused, with nothing stored", () => {
  const file = (name: string) => ({ name: `${name}.onnx`, bytes: readBroken(name) });
  const cases: readonly (readonly [string, Partial<DeployRequest>, Partial<DeployTools>, string, string, RegExp])[] = [
    ["another checksum", { sha256: "0".repeat(64) }, {}, "checksum", "CHECKSUM_MISMATCH", /SHA-256.*not 0000/],
    ["a corrupt file", { file: file("corrupt") }, {}, "graph", "MODEL_FILE_INVALID", /corrupt\.onnx/],
    ["a file cut short", { file: file("truncated") }, {}, "graph", "MODEL_FILE_INVALID", /truncated\.onnx/],
    ["an empty file", { file: file("empty") }, {}, "graph", "MODEL_FILE_INVALID", /empty\.onnx/],
    ["a text", { file: file("text") }, {}, "graph", "MODEL_FILE_INVALID", /text\.onnx/],
    ["a future opset", { file: file("future-opset") }, {}, "graph", "MODEL_FILE_INVALID", /opset/i],
    ["an unknown operator", { file: file("unknown-operator") }, {}, "graph", "MODEL_FILE_INVALID", /operator|op/i],
    ["weights that did not come", { file: file("weights-missing") }, {}, "graph", "MODEL_FILE_INVALID", /did not come/],
    ["weights outside", { file: file("weights-outside") }, {}, "graph", "MODEL_FILE_INVALID", /not a file beside/],
    ["weights nobody asked for", { weights: [file("text")] }, {}, "graph", "MODEL_FILE_INVALID", /leave that file out/],
    [
      "a manifest that is none",
      { manifest: { text: "[]", file: "m.json" } },
      {},
      "manifest",
      "MANIFEST_INVALID",
      /m\.json/,
    ],
    [
      "a service that is not there",
      { manifest: manifestWith({ service: "x" }) },
      {},
      "signature",
      "SIGNATURE_MISMATCH",
      /"x"/,
    ],
    [
      "a feature that is not there",
      { manifest: manifestWith({ inputs: { input: ["a", "b", "c", "d"] }, examples: [] }) },
      {},
      "signature",
      "SIGNATURE_MISMATCH",
      /"a" is not in feature service/,
    ],
    [
      "another answer than its examples'",
      { manifest: manifestWith({ examples: [{ ...JSON.parse(MANIFEST).examples[0], outputs: { label: 1 } }] }) },
      {},
      "golden",
      "GOLDEN_MISMATCH",
      /examples\[0\]\.outputs\.label expected 1, got 0/,
    ],
    [
      "parity that nobody has shown",
      { manifest: manifestWith({ require_parity: "36h" }) },
      {},
      "parity",
      "PARITY_REQUIRED",
      /customer_30d_features was never compared/,
    ],
  ];
  test.each(cases)("%s", async (_, asked, over, step, code, sentence) => {
    const thrown = await refusal(request(asked), over);
    expect(thrown).toMatchObject({ code, message: expect.stringMatching(sentence) });
    expect(said().at(-1)).toBe(`${step} false`);
    expect(steps.at(-1)!.detail).toBe((thrown as Error).message);
    expect(await storedVersions()).toEqual([]);
    expect(await repository.readTraffic("churn").catch(() => undefined)).toBeUndefined();
  });

  test("what fails its dry run", async () => {
    const dryRun = () => Promise.reject(new Error("no"));
    expect(await refusal(request(), { dryRun })).toMatchObject({ message: "no" });
    expect(await storedVersions()).toEqual([]);
  });

  test.each(["../churn", "a/b", "", ".hidden", "a\0"])("the name %j", async (model) => {
    expect(await refusal(request({ model }))).toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(steps).toEqual([]);
  });
});
