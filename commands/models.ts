/** `headgate models list`: every model of the repository, loaded and checked as a gateway would. */

import { loadConfig } from "../config.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { loadModels, openRepository } from "../gateway/main.ts";
import { describeModel } from "../gateway/model-control.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import { answer, type CommandContext, EXIT, table } from "./command.ts";

/** Lists the models; fails when one of them has no version that loads, so that a pull request's CI can ask. */
export async function listModels(context: CommandContext): Promise<number> {
  const config = await loadConfig(context.projectDirectory, context.environment);
  const registry = await loadFeatureRepository(config.projectDirectory);
  // Whether a gateway would start without a model is not what is asked.
  const repository = await openRepository({ ...config, modelsRequired: "off" });
  try {
    const models = await loadModels(config, registry, repository);
    const listed = models.list();
    const headings = ["model", "version", "traffic", "state", "one run", "reason"];
    const none = `The model repository ${repository.address} holds no model.`;
    const shown = listed.length === 0 ? none : table(headings, listed.flatMap(rowsOf));
    answer(context, { models: listed.map((model) => describeModel(model)) }, shown);
    const failed = listed.some((model) => model.stable === undefined);
    await models.close();
    return failed ? EXIT.failed : EXIT.done;
  } finally {
    await repository.close();
  }
}

/** A row for each version, after one for the model where something is wrong that is not of a version alone. */
function rowsOf(model: ServedModel): readonly (readonly string[])[] {
  const { name, ready, reason, stable, versions } = model;
  const rows = versions.map((status) => {
    const micros = ready.get(status.version)?.runMicros;
    const run = micros === undefined ? "-" : `${micros.toFixed(0)} µs`;
    const part = partOf(model, status.version);
    // Nobody has asked whether it loads.
    const state = status.state === "UNKNOWN" ? "not loaded" : status.state;
    return [name, String(status.version), part, state, run, inOneLine(status.reason)];
  });
  if (reason === undefined || versions.some((status) => status.reason === reason)) return rows;
  return [[name, "-", "", stable?.state ?? "UNAVAILABLE", "-", inOneLine(reason)], ...rows];
}

/** JSON's parser quotes what it did not understand, with its line ends. */
function inOneLine(reason = ""): string {
  return reason.replace(/\s+/g, " ");
}

/** The part of a version in its model's traffic, in a word. */
function partOf({ stable, traffic }: ServedModel, version: number): string {
  if (version === stable?.version) return "stable";
  const canary = traffic?.canary;
  if (version === canary?.version) return `canary ${canary.percent} %${canary.guard === undefined ? "" : ", guarded"}`;
  if (traffic?.shadow.includes(version) === true) return "shadow";
  return version === traffic?.previous ? "previous" : "";
}
