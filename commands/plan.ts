/** `headgate plan` and `headgate apply`: what the definitions would change, and recording them. */

import { execFileSync } from "node:child_process";
import { applyRegistry, planRegistry } from "../features/applied-registry.ts";
import { formatDuration } from "../features/duration.ts";
import type { JsonValue } from "../features/json-value.ts";
import type { RegistryChange } from "../features/registry-diff.ts";
import { earlyKeyExpiry } from "../features/store/feast-definitions.ts";
import { answer, type CommandContext, EXIT, withProject } from "./command.ts";

/** Prints what apply would change. With `check`, a refused change fails: for a pull request's CI. */
export function plan(context: CommandContext, options: { readonly check: boolean }): Promise<number> {
  return withProject(context, async ({ config, registry, store }) => {
    const changes = await planRegistry(store.control, registry);
    const refused = changes.filter((change) => change.refused !== undefined);
    const text = changes.length === 0 ? "Nothing to apply." : changes.map(changeText).join("\n");
    answer(context, { fingerprint: registry.fingerprint, changes: changes as unknown as JsonValue }, text);
    if (refused.length > 0) context.stderr.write(`${refused.length} of the changes can't be applied.\n`);
    const warning =
      config.onlineStoreLayout === "feast" &&
      earlyKeyExpiry(registry.views.values(), config.feastKeyTtlSeconds, config.expiryGrace);
    if (warning) context.stderr.write(`warning: ${warning}\n`);
    return options.check && refused.length > 0 ? EXIT.failed : EXIT.done;
  });
}

/** Records the definitions in the online store. */
export function apply(context: CommandContext): Promise<number> {
  return withProject(context, async ({ config, registry, store }) => {
    const gitCommit = gitCommitOf(config.projectDirectory);
    const changes = await applyRegistry(store.control, registry, {
      project: config.project,
      gitCommit,
      nowMs: context.now(),
    });
    const told = changes.length === 0 ? ["Nothing to apply."] : changes.map(changeText);
    const commit = gitCommit === undefined ? "no git commit" : `commit ${gitCommit}`;
    const done = `${told.join("\n")}\nApplied: registry ${registry.fingerprint}, ${commit}, in ${store.address}.`;
    const body = {
      fingerprint: registry.fingerprint,
      git_commit: gitCommit ?? null,
      changes: changes as unknown as JsonValue,
    };
    answer(context, body, changes.length === 0 ? told[0]! : done);
    return EXIT.done;
  });
}

const SIGNS = { add: "+", change: "~", remove: "-" };

function changeText(change: RegistryChange): string {
  const lines = [`${SIGNS[change.action]} ${change.kind} ${change.name}`];
  for (const { path, from, to } of change.details) {
    lines.push(path === "ttl_ms" ? `    ttl: ${ttl(from)} → ${ttl(to)}` : `    ${path}: ${shown(from)} → ${shown(to)}`);
  }
  if (change.refused !== undefined) lines.push(`    refused: ${change.refused}`);
  return lines.join("\n");
}

function shown(value: unknown): string {
  return value === undefined ? "none" : typeof value === "string" ? value : JSON.stringify(value);
}

/** As definitions have it. */
function ttl(lengthMs: unknown): string {
  return typeof lengthMs === "number" ? formatDuration(lengthMs) : "any age";
}

/** The commit the project's folder is at, with "+" for uncommitted changes in it; undefined outside of git. */
function gitCommitOf(directory: string): string | undefined {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: directory, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const commit = git("rev-parse", "HEAD");
    return git("status", "--porcelain", "--", ".") === "" ? commit : `${commit}+`;
  } catch {
    return undefined;
  }
}
