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
  const repository = await openRepository(config);
  try {
    const models = await loadModels(config, registry, repository);
    const listed = models.list();
    const rows = listed.flatMap((model) =>
      model.versions.length === 0
        ? [[model.name, "-", "", "UNAVAILABLE", "-", model.reason ?? ""]]
        : model.versions.map((status) => {
            const micros = model.ready.get(status.version)?.runMicros;
            const run = micros === undefined ? "-" : `${micros.toFixed(0)} µs`;
            const part = partOf(model, status.version);
            // Nobody has asked whether it loads.
            const state = status.state === "UNKNOWN" ? "not loaded" : status.state;
            return [model.name, String(status.version), part, state, run, status.reason ?? ""];
          }),
    );
    const headings = ["model", "version", "traffic", "state", "one run", ""];
    answer(context, { models: listed.map((model) => describeModel(model)) }, table(headings, rows));
    const failed = listed.some((model) => model.stable === undefined);
    await models.close();
    return failed ? EXIT.failed : EXIT.done;
  } finally {
    await repository.close();
  }
}

/** The part of a version in its model's traffic, in a word. */
function partOf({ canary, shadows, stable, traffic }: ServedModel, version: number): string {
  if (version === stable?.version) return "stable";
  if (version === canary?.model.version) return `canary ${canary.percent} %`;
  if (shadows.some((one) => one.version === version)) return "shadow";
  return version === traffic?.previous ? "previous" : "";
}
