/**
 * Every setting, in one table put together from settings/: its unit, default, environment variable and what moving it
 * costs. A project writes settings in `headgate.config.ts` with defineConfig; the environment overrides each one. docs/configuration.md shows
 * this table and a test holds the two together.
 */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { inspect } from "node:util";
import { excerpt, HeadgateError, reasonOf } from "./errors.ts";
import { formatDuration } from "./features/duration.ts";
import { createUserModuleLoader } from "./features/feature-repository.ts";
import { FEAST_SETTINGS } from "./settings/feast.ts";
import { GATEWAY_SETTINGS } from "./settings/gateway.ts";
import { INGEST_SETTINGS } from "./settings/ingest.ts";
import { MODEL_SETTINGS } from "./settings/models.ts";
import { PARITY_SETTINGS } from "./settings/parity.ts";
import { SERVED_LOG_SETTINGS } from "./settings/served-log.ts";
import type { DurationSetting, Setting } from "./settings/setting.ts";
import { SOURCE_SETTINGS } from "./settings/sources.ts";
import { nearestName } from "./settings/spelling.ts";
import { STORE_SETTINGS } from "./settings/store.ts";

/** The table. Durations are written "2d", "36h", "90m", "30s", "500ms" and are milliseconds inside. */
export const SETTINGS = Object.freeze({
  ...STORE_SETTINGS,
  ...MODEL_SETTINGS,
  ...GATEWAY_SETTINGS,
  ...SOURCE_SETTINGS,
  ...INGEST_SETTINGS,
  ...PARITY_SETTINGS,
  ...SERVED_LOG_SETTINGS,
  ...FEAST_SETTINGS,
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
    if (name !== "project" && !Object.hasOwn(SETTINGS, name)) throw noSetting(name);
  }
  const project = written.project;
  if (typeof project !== "string" || !/^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(project)) {
    throw invalid(`headgate.config.ts: project must be a name of letters, digits, "_" and "-", such as "shop".`);
  }
  const names = Object.keys(SETTINGS) as SettingName[];
  const values = names.map((name) => [name, settingOf(name, written, environment)]);
  return Object.freeze({ ...Object.fromEntries(values), project, projectDirectory }) as Config;
}

/** Of a name that is spelt like none, such as another product's, no guess is made. */
function noSetting(name: string): HeadgateError {
  const { nearest, edits } = nearestName(name, ["project", ...Object.keys(SETTINGS)]);
  const guess = edits <= Math.ceil(name.length / 3) ? ` Did you mean ${nearest}?` : "";
  return invalid(
    `headgate.config.ts: there is no setting "${excerpt(name)}".${guess} docs/configuration.md lists them all.`,
  );
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
  const fromEnvironment = environment[setting.environment] || undefined;
  const given = fromEnvironment ?? written[name];
  if (given === undefined) return setting.fallback;
  const value = setting.read(given);
  if (value !== undefined) return value;
  const place =
    fromEnvironment === undefined ? `headgate.config.ts: ${name}` : `The environment's ${setting.environment}`;
  const shown = setting.unit.startsWith("secret") ? "of the wrong form" : shownValue(given);
  const example = setting.unit === "duration" ? formatDuration(setting.fallback as number) : setting.fallback;
  const suchAs = example === "" ? "" : `, such as ${JSON.stringify(example)}`;
  throw invalid(`${place} is ${shown}; it takes ${withArticle(setting.unit)}${setting.range}${suchAs}.`);
}

/** What somebody wrote, which may be anything. */
function shownValue(given: unknown): string {
  return excerpt(
    typeof given === "string" ? JSON.stringify(given) : inspect(given, { breakLength: Number.POSITIVE_INFINITY }),
  );
}

/** "a duration" and "an address", but "bytes" and "on or off". */
function withArticle(unit: string): string {
  if (/^(?:\w*[^s]s|on|off)\b/.test(unit)) return unit;
  return `${/^[aeiou]/.test(unit) ? "an" : "a"} ${unit}`;
}

function invalid(sentence: string): HeadgateError {
  return new HeadgateError("CONFIG_INVALID", sentence);
}
