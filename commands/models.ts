/** `headgate models list`: every model of the repository, loaded and checked as a gateway would. */

import { loadConfig } from "../config.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { loadModels } from "../gateway/main.ts";
import { describeModel } from "../gateway/model-control.ts";
import { answer, type CommandContext, EXIT, table } from "./command.ts";

/** Lists the models; fails when one of them has no version that loads, so that a pull request's CI can ask. */
export async function listModels(context: CommandContext): Promise<number> {
  const config = await loadConfig(context.projectDirectory, context.environment);
  const registry = await loadFeatureRepository(config.projectDirectory);
  const models = await loadModels(config, registry);
  const listed = models.list();
  const rows = listed.flatMap((model) =>
    model.versions.length === 0
      ? [[model.name, "-", "UNAVAILABLE", "-", model.reason ?? ""]]
      : model.versions.map(({ version, state, reason }) => {
          const run = version === model.stable?.version ? `${model.stable.runMicros.toFixed(0)} µs` : "-";
          return [model.name, String(version), state, run, reason ?? ""];
        }),
  );
  answer(context, { models: listed.map(describeModel) }, table(["model", "version", "state", "one run", ""], rows));
  const failed = listed.some((model) => model.stable === undefined);
  await models.close();
  return failed ? EXIT.failed : EXIT.done;
}
