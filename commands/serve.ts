/** `headgate serve`: the gateway, until SIGTERM or SIGINT. */

import { loadConfig } from "../config.ts";
import { reasonOf } from "../errors.ts";
import { parseEntityKey } from "../features/entity-key.ts";
import { toJson, writeJson } from "../features/json-value.ts";
import { viewsOf } from "../features/read-plan.ts";
import { viewJoinKeys } from "../features/registry.ts";
import { isTombstone } from "../features/row-order.ts";
import type { OnlineStore, ScanPage } from "../features/store/online-store.ts";
import { type Gateway, startGateway } from "../gateway/main.ts";
import { type CommandContext, EXIT } from "./command.ts";

/** Serves until a signal comes; prints a request that works as pasted. */
export async function serve(context: CommandContext): Promise<number> {
  const config = await loadConfig(context.projectDirectory, context.environment);
  const gateway = await startGateway(config, (line) => context.stderr.write(line));
  const stopped = new Promise<void>((stop) => {
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
  });
  const body = await exampleRequest(gateway).catch((thrown: unknown) => {
    context.stderr.write(`headgate: no example request could be made: ${reasonOf(thrown)}\n`);
    return undefined;
  });
  if (context.json) {
    context.stdout.write(`${JSON.stringify({ url: gateway.url, example: body ?? null })}\n`);
  } else {
    context.stdout.write(welcome(gateway, config.project, body));
  }
  await stopped;
  await gateway.close();
  return EXIT.done;
}

function welcome(gateway: Gateway, project: string, body: string | undefined): string {
  const models = gateway.models.list().map((model) => {
    return model.stable === undefined
      ? `  ${model.name}: UNAVAILABLE: ${model.reason}`
      : `  ${model.name}: version ${model.stable.version} is READY`;
  });
  const request =
    body === undefined
      ? "There is no row to make an example of; headgate materialize-incremental now loads what the views' files hold."
      : `Try:\n\n  curl -s ${gateway.url}/predict -H 'content-type: application/json' -d '${body.replaceAll("'", "'\\''")}'\n`;
  return `Headgate serves ${project} at ${gateway.url} (documentation: ${gateway.url}/docs)\n${models.join("\n")}\n\n${request}\n`;
}

/** A prediction request for an entity that is really stored; undefined when none is or the models take more than one key. */
async function exampleRequest({ models, registry, store }: Gateway): Promise<string | undefined> {
  for (const { name, stable } of models.list()) {
    const service = stable === undefined ? undefined : registry.services.get(stable.manifest.service);
    if (service === undefined || service.features.some(({ from }) => from.kind !== "featureView")) continue;
    const [view, ...others] = viewsOf(service);
    const joinKeys = viewJoinKeys(view!);
    if (others.some((other) => Object.keys(viewJoinKeys(other)).some((key) => !Object.hasOwn(joinKeys, key)))) continue;
    const row = await anyRow(store, view!.name);
    const entity = row === undefined ? undefined : parseEntityKey(row.key, joinKeys);
    if (entity === undefined) continue;
    const keys = Object.entries(entity).map(([key, value]) => [key, toJson(joinKeys[key]!, value)]);
    return writeJson({ model: name, entities: Object.fromEntries(keys) });
  }
  return undefined;
}

/** Pages that are looked through for a row: on a Redis a page holds whatever entities it meets, of other views too. */
const PAGES_MAX = 100;

async function anyRow(store: OnlineStore, view: string): Promise<ScanPage["rows"][number] | undefined> {
  let cursor: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await store.scan(view, 100, cursor);
    const row = page.rows.find(({ bytes }) => !isTombstone(bytes));
    if (row !== undefined || page.cursor === undefined) return row;
    cursor = page.cursor;
  }
  return undefined;
}
