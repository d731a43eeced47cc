/**
 * `headgate models deploy` with the files that people have: with a manifest and without, with weights beside them, and
 * what it says of those that can't be deployed.
 */

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { deployProject } from "../harness/deploying.ts";
import { headgate, run } from "../harness/project.ts";
import { CHECKOUT } from "../harness/source-tree.ts";

/** A few commands on a busy machine, ms. */
const TIMEOUT_MS = 120_000;
const FIXTURES = join(CHECKOUT, "models", "fixtures");

let project: string;
let exported: string;

beforeAll(async () => {
  project = await deployProject();
  exported = join(project, "exported");
  mkdirSync(exported);
  cpSync(join(project, "models", "churn", "1", "model.onnx"), join(exported, "churn.onnx"));
}, TIMEOUT_MS);

const models = (...words: readonly string[]) => run(headgate("models", ...words), project);
const manifestOf = (model: string, version: number) =>
  JSON.parse(readFileSync(join(project, "models", model, String(version), "model.json"), "utf8"));

test(
  "each step is told on stderr, and the next commands on stdout",
  async () => {
    const { exitCode, stdout, stderr } = await models("deploy", "churn", "exported/churn.onnx");
    expect(exitCode, stderr).toBe(0);
    const steps = [...stderr.matchAll(/^✓ (\w+) /gm)].map(([, step]) => step);
    expect(steps).toEqual(["checksum", "graph", "manifest", "signature", "golden", "dry_run", "store"]);
    expect(stderr).toContain("100 of 100 entities of the online store answered");
    expect(stdout).toContain("headgate models promote churn 2");
    const listed = await models("list");
    expect(listed.stdout).toMatch(/churn +2 +READY/);
    expect(listed.stdout).toMatch(/churn +1 +stable +READY/);
  },
  TIMEOUT_MS,
);

test(
  "--promote makes it stable at once, --dry-run stores nothing",
  async () => {
    const tried = await models("deploy", "churn", "exported/churn.onnx", "--dry-run", "--json");
    expect(JSON.parse(tried.stdout)).toMatchObject({ version: 3, stored: false });
    const { stdout } = await models("deploy", "churn", "exported/churn.onnx", "--promote", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ version: 3, stored: true, traffic: { stable: 3, previous: 1 } });
    const both = await models("deploy", "churn", "exported/churn.onnx", "--promote", "--dry-run");
    expect([both.exitCode, both.stderr]).toEqual([2, expect.stringContaining("USAGE")]);
  },
  TIMEOUT_MS,
);

test(
  "where the graph does not say what goes where, a manifest is begun beside it, and taken once it is completed",
  async () => {
    const folder = join(exported, "mixed");
    mkdirSync(folder);
    cpSync(join(FIXTURES, "zoo", "mixed-pipeline", "1", "model.onnx"), join(folder, "mixed.onnx"));
    const first = await models("deploy", "mixed", "exported/mixed/mixed.onnx");
    expect(first.exitCode).toBe(1);
    expect(first.stderr).toMatch(
      /model\.json was begun for you\. Input ".*Complete it and run this again\. \[MANIFEST_INVALID\]/,
    );
    const skeleton = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
    expect(skeleton.service).toBe("churn_v1");
    expect(Object.values(skeleton.inputs)).toContainEqual([]);
    expect(existsSync(join(project, "models", "mixed"))).toBe(false);

    writeFileSync(join(folder, "model.json"), JSON.stringify({ ...skeleton, service: "nobody" }));
    const second = await models("deploy", "mixed", "exported/mixed/mixed.onnx");
    expect([second.exitCode, second.stderr]).toEqual([1, expect.stringContaining("exported/mixed/model.json")]);
  },
  TIMEOUT_MS,
);

test(
  "files of weights are taken along",
  async () => {
    const folder = join(exported, "torch");
    mkdirSync(folder);
    const zoo = join(FIXTURES, "zoo", "torch-default", "1");
    for (const name of ["model.onnx", "model.onnx.data"]) cpSync(join(zoo, name), join(folder, name));
    const { stderr } = await models("deploy", "torch", "exported/torch/model.onnx", "--dry-run");
    expect(stderr).toMatch(/✓ graph/);
  },
  TIMEOUT_MS,
);

test(
  "what can't be deployed says which file and why, and leaves nothing",
  async () => {
    const before = readFileSync(join(project, "models", "churn", "traffic.json"), "utf8");
    for (const [name, sentence] of [
      ["future-opset", /opset/i],
      ["unknown-operator", /operator|op/i],
      ["weights-missing", /can't be read/],
    ] as const) {
      cpSync(join(FIXTURES, "broken", `${name}.onnx`), join(exported, `${name}.onnx`));
      const { exitCode, stdout, stderr } = await models("deploy", "churn", `exported/${name}.onnx`, "--json");
      expect([exitCode, stdout]).toEqual([1, ""]);
      const { error } = JSON.parse(stderr) as { error: { code: string; detail: string } };
      expect(error).toEqual({
        code: "MODEL_FILE_INVALID",
        title: expect.any(String),
        detail: expect.stringMatching(sentence),
      });
    }
    const other = await models("deploy", "churn", "exported/churn.onnx", "--sha256", "0".repeat(64));
    expect([other.exitCode, other.stderr]).toEqual([1, expect.stringContaining("CHECKSUM_MISMATCH")]);
    expect(readFileSync(join(project, "models", "churn", "traffic.json"), "utf8")).toBe(before);
    expect(existsSync(join(project, "models", "churn", "4"))).toBe(false);
  },
  TIMEOUT_MS,
);

test(
  "a manifest that is named is stored with the version, with what its files are",
  async () => {
    const manifest = join(project, "models", "churn", "model.json");
    const { exitCode, stderr } = await models("deploy", "churn", "exported/churn.onnx", "--manifest", manifest);
    expect(exitCode, stderr).toBe(0);
    expect(manifestOf("churn", 4)).toMatchObject({
      max_age: "2d",
      examples: [{}, {}, {}],
      class_labels: { probabilities: [0, 1] },
      files: { "model.onnx": { bytes: readFileSync(join(exported, "churn.onnx")).length } },
    });
  },
  TIMEOUT_MS,
);

test(
  "words that are none are wrong usage",
  async () => {
    for (const words of [
      ["canary", "churn", "3"],
      ["canary", "churn", "3", "--percent", "ten"],
      ["promote", "churn", "x"],
      ["deploy", "churn"],
    ]) {
      const { exitCode, stderr } = await models(...words);
      expect([words, exitCode], stderr).toEqual([words, 2]);
    }
    const guard = await models("canary", "churn", "2", "--percent", "1", "--guard", "speed=2");
    expect([guard.exitCode, guard.stderr]).toEqual([1, expect.stringContaining('--guard has "speed"')]);
  },
  TIMEOUT_MS,
);
