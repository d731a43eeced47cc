/**
 * Every setting, in one table: its unit, default, environment variable and what moving it costs. A project writes
 * settings in `headgate.config.ts` with defineConfig; the environment overrides each one. docs/configuration.md shows
 * this table and a test holds the two together.
 */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { HeadgateError, reasonOf } from "./errors.ts";
import { formatDuration, parseDurationMs } from "./features/duration.ts";
import { createUserModuleLoader } from "./features/feature-repository.ts";

interface Setting<T> {
  readonly environment: string;
  readonly unit: string;
  readonly fallback: T;
  /** What may be written, such as "from 1 to 10"; empty where the unit says it. */
  readonly range: string;
  /** What it is and what moving it costs. */
  readonly about: string;
  /** Takes a value from the config file or the environment's text; undefined when it does not fit. */
  readonly read: (value: unknown) => T | undefined;
}

const text = (environment: string, unit: string, fallback: string, about: string): Setting<string> => ({
  environment,
  unit,
  fallback,
  range: "",
  about,
  // A secret that comes from a file ends in a newline that is none of it.
  read: (value) => (typeof value === "string" ? value.replace(/[\r\n]+$/, "") || undefined : undefined),
});

const count = (
  environment: string,
  unit: string,
  fallback: number,
  [least, most]: readonly [number, number],
  about: string,
): Setting<number> => ({
  environment,
  unit,
  fallback,
  range: ` from ${least} to ${most}`,
  about,
  read: (value) => {
    const number = typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
    const fits = typeof number === "number" && number >= least && number <= most;
    return fits && (Number.isInteger(number) || !Number.isInteger(most)) ? number : undefined;
  },
});

type DurationSetting = Setting<number> & { readonly unit: "duration" };

const durationWithin =
  (leastMs: number, mostMs: number, range: string) =>
  (environment: string, fallback: string, about: string): DurationSetting => ({
    environment,
    unit: "duration",
    fallback: parseDurationMs(fallback, environment),
    range,
    about,
    read: (value) => {
      const lengthMs = typeof value === "string" ? lengthOf(value) : undefined;
      return lengthMs !== undefined && lengthMs >= leastMs && lengthMs <= mostMs ? lengthMs : undefined;
    },
  });

/** A written length, ms; undefined when it is none. Only settings know the length zero. */
function lengthOf(text: string): number | undefined {
  try {
    return /^0(ms|s|m|h|d)$/.test(text) ? 0 : parseDurationMs(text, "it");
  } catch {
    return undefined;
  }
}

const duration = durationWithin(1, Number.MAX_SAFE_INTEGER, "");
/** What a timer is set to. Node's hold 2^31 - 1 ms, 24 days, and fire at once when given more. */
const wait = durationWithin(1, 2_073_600_000, " of at most 24d");
const waitOrNone = durationWithin(0, 2_073_600_000, " of at most 24d");

/** The table. Durations are written "2d", "36h", "90m", "30s", "500ms" and are milliseconds inside. */
export const SETTINGS = Object.freeze({
  onlineStore: text(
    "HEADGATE_ONLINE_STORE",
    "address",
    "lmdb:.headgate/online",
    "Where rows are kept: lmdb:<folder> (embedded, several processes of one host), redis://, rediss://, redis+sentinel://, redis+cluster:// (several hosts), or memory: (gone with the process; for tests).",
  ),
  minReplicas: count(
    "HEADGATE_MIN_REPLICAS",
    "replicas",
    0,
    [0, 10],
    "Redis: replicas that must have a row before it counts as written. 0 is fastest, and a failover may lose the last writes.",
  ),
  cacheBytes: count(
    "HEADGATE_CACHE_BYTES",
    "bytes",
    268_435_456,
    [0, 1_099_511_627_776],
    "Redis: memory for rows kept in the gateway, decoded values included; an entity of one view with four numbers takes about 500 bytes. 0 reads Redis every time.",
  ),
  heartbeatInterval: wait(
    "HEADGATE_HEARTBEAT_INTERVAL",
    "500ms",
    "Redis: how often it is proven that changes are told. With heartbeatTimeout it is the bound on staleness; shorter costs each master one small write more often.",
  ),
  heartbeatTimeout: wait(
    "HEADGATE_HEARTBEAT_TIMEOUT",
    "1s",
    "Redis: how long a proof may take before kept rows are fenced. Below the longest stall of network or server, memory is dropped for nothing.",
  ),
  breakerFailures: count(
    "HEADGATE_BREAKER_FAILURES",
    "failures",
    3,
    [1, 1_000],
    "Redis: failures in a row after which reads fail at once instead of waiting. Fewer open it for a hiccup.",
  ),
  breakerBackoff: wait(
    "HEADGATE_BREAKER_BACKOFF",
    "200ms",
    "Redis: the first wait before it is tried again; it doubles, with jitter.",
  ),
  breakerBackoffMax: wait(
    "HEADGATE_BREAKER_BACKOFF_MAX",
    "5s",
    "Redis: the longest wait before it is tried again, hence how long a recovery may go unnoticed.",
  ),
  models: text("HEADGATE_MODELS", "folder", "models", "The model repository, relative to the project folder."),
  host: text(
    "HEADGATE_HOST",
    "address",
    "127.0.0.1",
    "The address the gateway listens on. 0.0.0.0 opens it to the network: set adminToken as well.",
  ),
  port: count("HEADGATE_PORT", "TCP port", 8080, [0, 65_535], "The port the gateway listens on; 0 takes a free one."),
  adminToken: text(
    "HEADGATE_ADMIN_TOKEN",
    "secret",
    "",
    "Bearer token for admin calls. Where it is set, the feature-debug view and explain, which show people's data, need it too.",
  ),
  maxEntities: count(
    "HEADGATE_MAX_ENTITIES",
    "entities",
    1_000,
    [1, 1_000_000],
    "The most entities in one request. A larger request holds the event loop longer, and every other request waits.",
  ),
  maxBodyBytes: count(
    "HEADGATE_MAX_BODY_BYTES",
    "bytes",
    1_048_576,
    [1_024, 1_073_741_824],
    "The largest request body. It is held in memory whole, once for each request under way.",
  ),
  deadline: wait(
    "HEADGATE_DEADLINE",
    "5s",
    "How long a prediction may take when the caller sends no x-deadline-ms. Past it the answer is 504.",
  ),
  maxBatchRows: count(
    "HEADGATE_MAX_BATCH_ROWS",
    "rows",
    1_024,
    [1, 1_000_000],
    "The most entities in one run of a model. Larger runs are more efficient and hold the event loop longer.",
  ),
  maxQueueRows: count(
    "HEADGATE_MAX_QUEUE_ROWS",
    "rows",
    16_384,
    [1, 10_000_000],
    "The most entities waiting for a model. Beyond it requests are refused with 503 at once instead of late.",
  ),
  drainGrace: waitOrNone(
    "HEADGATE_DRAIN_GRACE",
    "100ms",
    "On SIGTERM, how long /readyz says 503 while requests are still taken, so that a load balancer can look away. Set it above the balancer's probe interval, or to 0s where there is none.",
  ),
  drainTimeout: wait(
    "HEADGATE_DRAIN_TIMEOUT",
    "30s",
    "On SIGTERM, how long accepted requests may take to finish before their connections are cut.",
  ),
  expiryGrace: duration(
    "HEADGATE_EXPIRY_GRACE",
    "7d",
    "How long a row is kept beyond its view's ttl before it is collected. Shorter saves memory; late corrections older than it can bring a deleted row back.",
  ),
  sweepInterval: wait(
    "HEADGATE_SWEEP_INTERVAL",
    "1h",
    "How often a gateway collects expired rows from an embedded store. A sweep reads every row's expiry.",
  ),
  maxFuture: duration(
    "HEADGATE_MAX_FUTURE",
    "5m",
    "How far an event may be dated ahead of its record's own timestamp. One wrong year would pin an entity for ever.",
  ),
  lookback: duration(
    "HEADGATE_LOOKBACK",
    "7d",
    "For a view without ttl: how far before the last materialization's end an incremental one looks again for late rows. Views with a ttl use it.",
  ),
  maxBadRows: count(
    "HEADGATE_MAX_BAD_ROWS",
    "share of rows",
    0.001,
    [0, 0.999_999],
    "The share of rows that may be refused before a materialization fails with its checkpoint unmoved.",
  ),
  leaseTtl: wait(
    "HEADGATE_LEASE_TTL",
    "60s",
    "How long a materialization that died keeps its view locked. A live one renews its lease at a third of this.",
  ),
});

type Settings = typeof SETTINGS;
type SettingName = keyof Settings;
/** How a setting is written in headgate.config.ts: durations as text, such as "5s". */
type Written<Name extends SettingName> = Settings[Name] extends DurationSetting ? string : Settings[Name]["fallback"];

/** What `headgate.config.ts` exports by default. Every setting is optional but the project's name. */
export type ProjectConfig = { readonly project: string } & { readonly [Name in SettingName]?: Written<Name> };

/** The settings in force; durations in ms. */
export type Config = {
  readonly project: string;
  /** Absolute path of the project folder. */
  readonly projectDirectory: string;
} & { readonly [Name in SettingName]: Settings[Name]["fallback"] };

/** Types a project's settings: `export default defineConfig({ project: "shop" })`. */
export function defineConfig(config: ProjectConfig): ProjectConfig {
  return config;
}

/** Reads `headgate.config.ts` of a project and the environment. Throws PROJECT_NOT_FOUND or CONFIG_INVALID naming the setting. */
export async function loadConfig(directory: string, environment: NodeJS.ProcessEnv): Promise<Config> {
  const projectDirectory = resolve(directory);
  const written = await readConfigFile(projectDirectory);
  for (const name of Object.keys(written)) {
    if (name !== "project" && !Object.hasOwn(SETTINGS, name)) {
      throw invalid(
        `headgate.config.ts: there is no setting "${name}"; there are ${Object.keys(SETTINGS).join(", ")}.`,
      );
    }
  }
  const project = written.project;
  if (typeof project !== "string" || !/^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(project)) {
    throw invalid(`headgate.config.ts: project must be a name of letters, digits, "_" and "-", such as "shop".`);
  }
  const names = Object.keys(SETTINGS) as SettingName[];
  const values = names.map((name) => [name, settingOf(name, written, environment)]);
  return Object.freeze({ ...Object.fromEntries(values), project, projectDirectory }) as Config;
}

async function readConfigFile(projectDirectory: string): Promise<Record<string, unknown>> {
  const file = resolve(projectDirectory, "headgate.config.ts");
  if (!existsSync(file)) {
    throw new HeadgateError(
      "PROJECT_NOT_FOUND",
      `${projectDirectory} has no headgate.config.ts. Go to a project folder, name one with --project <dir>, or make one: headgate init <dir>.`,
    );
  }
  let exports: Record<string, unknown>;
  try {
    exports = await createUserModuleLoader()(file);
  } catch (cause) {
    throw invalid(`headgate.config.ts: ${reasonOf(cause)}`);
  }
  const written = exports.default;
  if (typeof written === "object" && written !== null) return written as Record<string, unknown>;
  throw invalid(`headgate.config.ts has no default export. Write: export default defineConfig({ project: "shop" }).`);
}

function settingOf(name: SettingName, written: Record<string, unknown>, environment: NodeJS.ProcessEnv): unknown {
  const setting: Setting<unknown> = SETTINGS[name];
  const fromEnvironment = environment[setting.environment];
  const given = fromEnvironment === undefined || fromEnvironment === "" ? written[name] : fromEnvironment;
  if (given === undefined) return setting.fallback;
  const value = setting.read(given);
  if (value !== undefined) return value;
  const place = given === written[name] ? `headgate.config.ts: ${name}` : `The environment's ${setting.environment}`;
  const shown = name === "adminToken" ? "of the wrong form" : JSON.stringify(given);
  const example = setting.unit === "duration" ? formatDuration(setting.fallback as number) : setting.fallback;
  throw invalid(
    `${place} is ${shown}; it takes a ${setting.unit}${setting.range}, such as ${JSON.stringify(example)}.`,
  );
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError("CONFIG_INVALID", sentence);
}
