/** `headgate serve`: the gateway, until SIGTERM or SIGINT. */

import { type AddressInfo, createServer } from "node:net";
import { type Config, loadConfig, SETTINGS } from "../config.ts";
import { excerpt, HeadgateError, reasonOf } from "../errors.ts";
import { isOfOneProcess } from "../features/store/open.ts";
import { isLoopback } from "../gateway/authorization.ts";
import { type Gateway, startGateway } from "../gateway/main.ts";
import type { WorkersLink } from "../gateway/workers-link.ts";
import { forkWorker, linkOfThisProcess } from "../gateway/workers-process.ts";
import { superviseWorkers, type WorkerLog } from "../gateway/workers-supervisor.ts";
import { callable } from "../listening.ts";
import { type CommandContext, EXIT } from "./command.ts";
import { curlOf, type ExampleRequest, exampleRequest, requestToFillIn } from "./example-request.ts";

/** How long a worker may take until it listens, ms: as long as opening a store and the largest models may take. */
const START_WITHIN_MS = 600_000;
/** How long after a worker's own bounds on ending it is killed, ms. */
const KILL_AFTER_MS = 5_000;
const WORKERS_MAX = SETTINGS.workers.range;

/** Serves until a signal comes; prints a request that works as pasted. With several workers this process is their supervisor. */
export async function serve(context: CommandContext, options: Record<string, unknown>): Promise<number> {
  const config = await loadConfig(context.projectDirectory, withWorkers(context.environment, options.workers));
  const link = linkOfThisProcess(context.environment);
  if (link === undefined && !context.json) warnOfOpenReads(context, config);
  if (link === undefined && config.workers > 1) return serveByWorkers(context, config);
  try {
    return await serveHere(context, config, link);
  } finally {
    link?.close();
  }
}

/** The environment with what the command line says of workers over it. Throws USAGE. */
function withWorkers(environment: NodeJS.ProcessEnv, workers: unknown): NodeJS.ProcessEnv {
  if (workers === undefined) return environment;
  if (SETTINGS.workers.read(workers) === undefined) {
    throw new HeadgateError("USAGE", `--workers is "${excerpt(String(workers))}"; it is a whole number${WORKERS_MAX}.`);
  }
  return { ...environment, [SETTINGS.workers.environment]: String(workers) };
}

/** Tells who listens to the network without a token that whoever reaches the gateway is shown people's data. */
export function warnOfOpenReads(
  { stderr }: Pick<CommandContext, "stderr">,
  { adminToken, host }: Pick<Config, "adminToken" | "host">,
): void {
  if (adminToken !== "" || isLoopback(host)) return;
  stderr.write(
    `headgate: warning: the gateway listens on ${host} without an admin token: whoever reaches it is answered every entity's features. Set HEADGATE_ADMIN_TOKEN, or HEADGATE_HOST=127.0.0.1.\n`,
  );
}

async function serveHere(context: CommandContext, config: Config, link: WorkersLink | undefined): Promise<number> {
  const stopped = link === undefined ? undefined : stopOf(link);
  const gateway = await startGateway(config, (line) => context.stderr.write(line), link);
  const example = await exampleRequest(gateway).catch((thrown: unknown) => {
    context.stderr.write(`headgate: no example request could be made: ${reasonOf(thrown)}\n`);
    return undefined;
  });
  const text = context.json
    ? jsonLine(gateway.url, config.host, example)
    : welcome(gateway, config.project, example, (request) =>
        curlOf(callable(gateway.url), config, context.environment, request),
      );
  if (link === undefined) context.stdout.write(text);
  else link.listening(text);
  await (stopped ?? signalled());
  await gateway.close();
  return EXIT.done;
}

/** Resolves at the first SIGTERM or SIGINT; the second then ends the process, as it does any. */
function signalled(): Promise<void> {
  return new Promise((stop) => {
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
  });
}

/** A terminal signals workers, too, and then their supervisor tells them: once is enough, and the second ends nothing. */
function stopOf(link: WorkersLink): Promise<void> {
  return new Promise((stop) => {
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    void link.drained.then(stop);
  });
}

async function serveByWorkers(context: CommandContext, config: Config): Promise<number> {
  if (isOfOneProcess(config.onlineStore)) {
    throw new HeadgateError(
      "CONFIG_INVALID",
      `workers is ${config.workers}, and the online store "${config.onlineStore}" is of one process: each worker would have rows of its own. Set workers to 1, or another onlineStore.`,
    );
  }
  // Left to the workers, 0 would be another port after a time in which none of them lived.
  const port = config.port === 0 ? await freePort(config.host) : config.port;
  const log: WorkerLog = (level, message, details) =>
    context.stderr.write(
      `${JSON.stringify({ time: new Date(context.now()).toISOString(), level, message, ...details })}\n`,
    );
  const supervisor = superviseWorkers({
    count: config.workers,
    fork: (place) => forkWorker(place, { [SETTINGS.port.environment]: String(port) }),
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    now: () => performance.now(),
    log,
    startWithinMs: START_WITHIN_MS,
    endWithinMs: config.drainGrace + config.drainTimeout + KILL_AFTER_MS,
  });
  const stopped = signalled();
  const start = await Promise.race([supervisor.started, stopped]);
  if (start?.exitCode !== undefined) return start.exitCode;
  if (start?.welcome !== undefined) context.stdout.write(start.welcome);
  await stopped;
  return supervisor.close();
}

/** A port that nobody listens on; 0 where the host can't be listened on at all, which a worker then tells. */
function freePort(host: string): Promise<number> {
  const server = createServer();
  return new Promise((found) => {
    server.once("error", () => found(0));
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => found(port));
    });
  });
}

/** What a program is told: a URL that it can call, the host that is listened on, and a request that works. */
export function jsonLine(url: string, host: string, example: ExampleRequest | undefined): string {
  const told = { url: callable(url), host, route: example?.route ?? null, example: example?.body ?? null };
  return `${JSON.stringify(told)}\n`;
}

function welcome(
  gateway: Gateway,
  project: string,
  example: ExampleRequest | undefined,
  curl: (request: ExampleRequest) => string,
): string {
  const models = gateway.models.list().map((model) => {
    return model.stable === undefined
      ? `  ${model.name}: UNAVAILABLE: ${model.reason}`
      : `  ${model.name}: version ${model.stable.version} is READY`;
  });
  const told = models.length === 0 ? "  no model: features alone" : models.join("\n");
  const request = example === undefined ? withoutRow(gateway, curl) : `Try:\n\n  ${curl(example)}\n`;
  return `Headgate serves ${project} at ${gateway.url} (documentation: ${callable(gateway.url)}/docs)\n${told}\n\n${request}\n`;
}

/** What to do next; the store may hold a row all the same, which was not met soon, or which comes later. */
function withoutRow(gateway: Gateway, curl: (request: ExampleRequest) => string): string {
  const load =
    "No row was found to make an example of. headgate materialize-incremental now loads what the views' files hold.";
  const request = requestToFillIn(gateway);
  if (request === undefined) return load;
  return `${load}\nRows that are written otherwise are served as they come; with an entity's own key:\n\n  ${curl(request)}\n`;
}
