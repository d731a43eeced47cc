/** `headgate models deploy`: a model file becomes a version, by the same steps as over HTTP, told as they pass. */

import { readFile, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { HeadgateError, reasonOf } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import { describeStep } from "../gateway/model-deploy.ts";
import { type Deployed, deploy } from "../models/deploy.ts";
import type { DeployFile } from "../models/deploy-graph.ts";
import { ManifestNeeded, type ManifestText, skeletonText } from "../models/deploy-manifest.ts";
import { createSteps, type DeployStep } from "../models/deploy-step.ts";
import { type ChangedTraffic, changeTraffic, promote, type TrafficTools } from "../models/deploy-traffic.ts";
import { readOnnxFile } from "../models/onnx-file.ts";
import { trafficJson } from "../models/traffic.ts";
import { answer, type CommandContext, EXIT } from "./command.ts";
import { withDeploys } from "./models-project.ts";
import { trafficText } from "./models-traffic.ts";

/** What a manifest is called beside a model's file. */
const MANIFEST_FILE = "model.json";
/** Width of the steps' names. */
const STEP_CHARACTERS = 9;

/** Deploys a file as a model's next version. */
export async function deployModel(
  context: CommandContext,
  model: string,
  path: string,
  options: Record<string, unknown>,
): Promise<number> {
  const dryRun = options.dryRun === true;
  if (dryRun && options.promote === true) {
    throw new HeadgateError("USAGE", "--dry-run stores nothing that --promote could promote; leave one of them out.");
  }
  return withDeploys(context, async (tools, config) => {
    const steps: DeployStep[] = [];
    const onStep = (step: DeployStep) => {
      steps.push(step);
      if (!context.json) context.stderr.write(`${stepLine(step)}\n`);
    };
    const { file, weights } = await readFiles(path, config.maxModelBytes);
    const manifest = await readManifest(path, options.manifest as string | undefined);
    const sha256 = checkedSha256(options.sha256 as string | undefined);
    const request = { model, file, weights, manifest, sha256, dryRun, onStep };
    const deployed = await deploy(tools, request).catch((thrown) => leaveSkeleton(thrown, path, dryRun));
    const promoted = options.promote === true ? await promoteStep(tools, model, deployed.version, onStep) : undefined;
    const body: JsonValue = {
      model,
      version: deployed.version,
      stored: deployed.stored,
      sha256: deployed.sha256,
      traffic: promoted === undefined ? null : (trafficJson(promoted.traffic) as unknown as JsonValue),
      steps: steps.map(describeStep),
    };
    answer(context, body, outcome(deployed, promoted));
    return EXIT.done;
  });
}

/** Why a step failed is the command's own last line. */
function stepLine({ step, ok, detail, durationMs }: DeployStep): string {
  const told = ok ? `✓ ${step.padEnd(STEP_CHARACTERS)}  ${detail}` : `✗ ${step}`;
  return `${told} (${durationMs.toFixed(0)} ms)`;
}

function outcome({ isFirst, model, stored, version }: Deployed, promoted: ChangedTraffic | undefined): string {
  if (!stored) return `Version ${version} of ${model} would be stored; nothing was.`;
  if (promoted !== undefined)
    return `Version ${version} of ${model} is stored. ${trafficText(model, promoted.traffic)}`;
  if (isFirst) return `Version ${version} of ${model} is stored. No other served, so it answers all requests.`;
  return [
    `Version ${version} of ${model} is stored and gets no requests yet. Next, one of`,
    "",
    `  headgate models canary ${model} ${version} --percent 10`,
    `  headgate models shadow ${model} ${version}`,
    `  headgate models promote ${model} ${version}`,
    "",
  ].join("\n");
}

function promoteStep(
  tools: TrafficTools,
  model: string,
  version: number,
  onStep: (step: DeployStep) => void,
): Promise<ChangedTraffic> {
  const run = createSteps(() => performance.now(), onStep);
  return run("promote", async () => {
    const value = await changeTraffic(tools, model, promote(version));
    return { value, detail: `version ${version} is stable` };
  });
}

/** The model's file and, from the same folder, those that it keeps weights in; together within the bound. */
async function readFiles(path: string, maxBytes: number) {
  let left = maxBytes;
  const read = async (file: string): Promise<Uint8Array> => {
    try {
      const { size } = await stat(file);
      if (size <= left) {
        left -= size;
        return await readFile(file);
      }
    } catch (thrown) {
      throw new HeadgateError("MODEL_FILE_INVALID", `${file} can't be read: ${reasonOf(thrown)}.`, thrown);
    }
    throw new HeadgateError(
      "MODEL_FILE_INVALID",
      `${file} makes the model larger than ${maxBytes} bytes (maxModelBytes). Raise HEADGATE_MAX_MODEL_BYTES, or make the model smaller.`,
    );
  };
  const file: DeployFile = { name: basename(path), bytes: await read(path) };
  const weights: DeployFile[] = [];
  for (const name of readOnnxFile(file.bytes, path).weightFiles) {
    weights.push({ name, bytes: await read(join(dirname(path), name)) });
  }
  return { file, weights };
}

/** The manifest that is named, or the one that lies beside the model's file. */
async function readManifest(path: string, named: string | undefined): Promise<ManifestText | undefined> {
  const file = named ?? join(dirname(path), MANIFEST_FILE);
  try {
    return { text: await readFile(file, "utf8"), file };
  } catch (thrown) {
    if (named === undefined && (thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new HeadgateError("MANIFEST_INVALID", `${file} can't be read: ${reasonOf(thrown)}.`, thrown);
  }
}

function checkedSha256(given: string | undefined): string | undefined {
  if (given === undefined || /^[0-9a-f]{64}$/i.test(given)) return given;
  throw new HeadgateError("USAGE", `--sha256 is "${given}"; it is 64 hexadecimal digits.`);
}

/**
 * Writes down what could be made of the graph, for its author to complete and to be taken the next time. A dry run leaves
 * no file: what is thrown shows it.
 */
async function leaveSkeleton(thrown: unknown, path: string, dryRun: boolean): Promise<never> {
  if (dryRun || !(thrown instanceof ManifestNeeded)) throw thrown;
  const file = join(dirname(resolve(path)), MANIFEST_FILE);
  await writeFile(file, skeletonText(thrown.skeleton), { flag: "wx" });
  const gaps = [...thrown.skeleton.unmatched, ""].join(" ");
  throw new HeadgateError(
    thrown.code,
    `${thrown.sentence} So ${file} was begun for you. ${gaps}Complete it and run this again.`,
    thrown,
  );
}
