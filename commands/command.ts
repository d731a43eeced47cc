/**
 * What every command is given and how it answers: text for people on stdout, or one JSON object with --json; progress
 * and complaints on stderr. A command returns its exit code: 0 done, 1 a check or the work failed, 2 wrong usage.
 */

import { type Config, loadConfig, SETTINGS } from "../config.ts";
import { ERRORS, type ErrorCode, excerpt, HeadgateError, reasonOf } from "../errors.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { type JsonValue, writeJson } from "../features/json-value.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { openOnlineStore } from "../features/store/open.ts";
import { WORKER_PLACE } from "../gateway/workers-message.ts";
import { unknownVariables } from "../settings/environment.ts";

/** What a command is run with. */
export interface CommandContext {
  readonly projectDirectory: string;
  /** True: stdout carries one JSON object and nothing else. */
  readonly json: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WriteStream;
  /** Epoch ms. */
  readonly now: () => number;
}

/** Exit codes. */
export const EXIT = Object.freeze({ done: 0, failed: 1, usage: 2 });

/** What is wrong with the words of a command line, not with the work they ask for. */
const USAGE_CODES: ReadonlySet<ErrorCode> = new Set([
  "USAGE",
  "INTERVAL_INVALID",
  "VIEW_NOT_FOUND",
  "ENTITY_KEY_INVALID",
]);

/** Answers with text for people, or the same as JSON. */
export function answer(context: CommandContext, body: JsonValue, text: string): void {
  context.stdout.write(`${context.json ? writeJson(body) : text}\n`);
}

/** Writes what was thrown to stderr and gives its exit code. */
export function fail(context: Pick<CommandContext, "json" | "stderr">, thrown: unknown): number {
  const code = thrown instanceof HeadgateError ? thrown.code : "INTERNAL";
  const detail = reasonOf(thrown);
  const told = { error: { code, title: ERRORS[code].sentence, detail } };
  context.stderr.write(context.json ? `${JSON.stringify(told)}\n` : `headgate: ${detail} [${code}]\n`);
  if (code === "INTERNAL" && thrown instanceof Error && !context.json) context.stderr.write(`${thrown.stack}\n`);
  return USAGE_CODES.has(code) ? EXIT.usage : EXIT.failed;
}

/**
 * Tells people of variables that look like settings and are none. With --json stderr is an error's alone; a gateway among
 * several on one port has a supervisor that has told what there is to tell.
 */
export function warnOfUnknownVariables({ environment, json, stderr }: CommandContext): void {
  if (json || environment[WORKER_PLACE] !== undefined) return;
  const settings = Object.values(SETTINGS).map((setting) => setting.environment);
  for (const { name, nearest } of unknownVariables(environment, settings)) {
    stderr.write(`headgate: warning: ${excerpt(name)} is no setting, and has no effect; the nearest is ${nearest}.\n`);
  }
}

/** A project opened for one piece of work. */
export interface OpenedProject {
  readonly config: Config;
  readonly registry: Registry;
  readonly store: OnlineStore;
}

/** Opens a project, its online store last so that a wrong definition leaves nothing behind, and closes it after the work. */
export async function withProject<T>(
  context: CommandContext,
  work: (project: OpenedProject) => Promise<T>,
): Promise<T> {
  const config = await loadConfig(context.projectDirectory, context.environment);
  const registry = await loadFeatureRepository(config.projectDirectory);
  const store = await openOnlineStore(config.onlineStore, {
    ...config,
    registry,
    redis: { minReplicas: config.minReplicas, now: () => performance.now() },
  });
  try {
    return await work({ config, registry, store });
  } finally {
    await store.close();
  }
}

/** The names of an option such as `--views a,b`; undefined where it is not given. */
export function namesOf(option: string | undefined): readonly string[] | undefined {
  return option?.split(",").map((name) => name.trim());
}

/** Rows of texts as aligned columns under a heading. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd();
  return [line(heading), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)].join("\n");
}
