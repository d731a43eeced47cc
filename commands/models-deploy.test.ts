import { copyFileSync, cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyExample, temporaryFolder } from "../test/harness/project.ts";
import { CHECKOUT } from "../test/harness/source-tree.ts";
import type { CommandContext } from "./command.ts";
import { deployModel } from "./models-deploy.ts";
import { retireVersion } from "./models-traffic.ts";

test("what is said of a deploy holds after others were deleted, too", async () => {
  const project = copyExample();
  const exported = join(temporaryFolder(), "churn");
  cpSync(join(project, "models", "churn"), exported, { recursive: true });
  let written = "";
  const context: CommandContext = {
    ...{ projectDirectory: project, json: false, environment: {}, now: () => 0 },
    stdout: { write: (text: string) => (written += text) } as unknown as NodeJS.WritableStream,
    stderr: { write: () => true } as unknown as NodeJS.WriteStream,
  };
  const deploy = async () => {
    written = "";
    const manifest = join(exported, "model.json");
    expect(await deployModel(context, "churn", join(exported, "1", "model.onnx"), { manifest })).toBe(0);
    return written;
  };
  expect(await deploy()).toMatch(
    /^Version 2 of churn is stored and gets no requests yet\. .*\n[\s\S]* canary churn 2 --/,
  );
  await retireVersion(context, "churn", undefined, { all: true });
  expect(await deploy()).toBe("Version 3 of churn is stored. No other served, so it answers all requests.\n");
});

test("a dry run leaves no file beside the model's, and what is missing is told once", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "m.onnx");
  copyFileSync(join(CHECKOUT, "models/fixtures/zoo/mixed-pipeline/1/model.onnx"), file);
  let steps = "";
  const context: CommandContext = {
    ...{ projectDirectory: copyExample(), json: false, environment: {}, now: () => 0 },
    stdout: { write: () => true } as unknown as NodeJS.WritableStream,
    stderr: { write: (text: string) => (steps += text) } as unknown as NodeJS.WriteStream,
  };
  await expect(deployModel(context, "mixed", file, { dryRun: true })).rejects.toMatchObject({
    code: "MANIFEST_INVALID",
    message: expect.stringMatching(/^Model "mixed" has no manifest yet, .*\{"service":"churn_v1"/),
  });
  expect(readdirSync(folder)).toEqual(["m.onnx"]);
  expect(steps).toMatch(/^✓ checksum .*\n✓ graph .*\n✗ manifest \(\d+ ms\)\n$/);
  await expect(deployModel(context, "mixed", file, {})).rejects.toThrow(/model\.json was begun for you/);
  expect(readdirSync(folder).sort()).toEqual(["m.onnx", "model.json"]);
});
