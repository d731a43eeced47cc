/**
 * GET /livez: the process answers. GET /readyz: it should be sent requests: it is not draining, the store answers and
 * holds the registry that was applied, and at least one model is ready where there are models. One bad model does not
 * make every gateway unready. Where a setting asks for it, what the models are fed must have passed its comparison with
 * the source, too.
 */

import { reasonOf } from "../errors.ts";
import type { AppliedRegistry } from "../features/applied-registry.ts";
import type { AppliedRegistryWatch } from "../features/applied-registry-watch.ts";
import type { JsonValue } from "../features/json-value.ts";
import { isStandingFailure, type ParityVerdicts, presentVerdicts } from "../features/parity-verdict.ts";
import { viewsOf } from "../features/read-plan.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { TieredStore } from "../features/store/tiered.ts";
import { appliedDefinition } from "../features/view-definition.ts";
import type { Models } from "../models/lifecycle.ts";
import { withinDeadline } from "./deadline.ts";

/** What readiness looks at. */
export interface HealthOptions {
  readonly store: OnlineStore;
  /** The memory before a remote store. */
  readonly memory: TieredStore | undefined;
  readonly models: Models;
  readonly registry: Registry;
  /**
   * As it was when the gateway started: what it serves by, and so what a verdict must be of. By what is applied since, one
   * apply would make every gateway unready at once.
   */
  readonly applied: AppliedRegistry | undefined;
  /** The same as it is in the store now. */
  readonly registryWatch: Pick<AppliedRegistryWatch, "applied" | "problem">;
  readonly isDraining: () => boolean;
  /** The parity verdicts that count, as far as they are known. */
  readonly parity: () => Promise<ParityVerdicts>;
  /** How old a passing verdict of a view that a serving model reads may be, ms; 0: none is asked for. */
  readonly readyParityMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** How long the store may take to answer before it counts as away, ms; PING_TIMEOUT_MS unless given. */
  readonly pingTimeoutMs?: number;
}

/** A probe usually waits for some seconds; the answer that the store is away must come before. */
const PING_TIMEOUT_MS = 1_000;

/** Whether the gateway is ready, and everything that makes it so. */
export async function checkReadiness(
  options: HealthOptions,
): Promise<{ readonly ready: boolean; readonly body: JsonValue }> {
  const storeProblem = await pingProblem(options);
  const models = options.models.list();
  const serving = models.length === 0 || models.some((model) => model.stable?.state === "READY");
  const parityProblem = await unprovenViews(options);
  const registryProblem = options.registryWatch.problem;
  const problems = [storeProblem, registryProblem, parityProblem];
  const ready = !options.isDraining() && serving && problems.every((problem) => problem === undefined);
  return {
    ready,
    body: {
      status: options.isDraining() ? "draining" : ready ? "ready" : "not ready",
      online_store: {
        address: options.store.address,
        problem: storeProblem ?? null,
        memory: describeMemory(options.memory),
      },
      registry_fingerprint: options.registry.fingerprint,
      applied_fingerprint: options.registryWatch.applied?.fingerprint ?? null,
      registry_problem: registryProblem ?? null,
      parity_problem: parityProblem ?? null,
      models: models.map((model) => ({
        name: model.name,
        state: model.stable?.state ?? "UNAVAILABLE",
        version: model.stable?.version ?? null,
        reason: model.reason ?? null,
      })),
    },
  };
}

/** Why the store can't be reached; undefined when it can. One that never answers holds no probe. */
function pingProblem({ store, pingTimeoutMs = PING_TIMEOUT_MS }: HealthOptions): Promise<string | undefined> {
  const bound = { atMs: pingTimeoutMs, budgetMs: pingTimeoutMs };
  return withinDeadline(store.ping(), bound, 0, "asking the store").then(() => undefined, reasonOf);
}

/**
 * The views that serving models read and that have no passing verdict young enough, and which of them only a run over all
 * entities can lift; undefined where all have one.
 */
async function unprovenViews(options: HealthOptions): Promise<string | undefined> {
  const { models, now, parity, readyParityMs, registry, applied } = options;
  if (readyParityMs === 0) return undefined;
  const services = models.list().flatMap(({ stable }) => (stable === undefined ? [] : [stable.manifest.service]));
  const read = services.flatMap((service) => viewsOf(registry.services.get(service)!));
  const names = new Set(read.flatMap(({ name, source }) => (source === undefined ? [] : [name])));
  const verdicts = presentVerdicts(await parity(), (name) => appliedDefinition(registry, applied, name));
  const unproven = [...names].filter((name) => {
    const verdict = verdicts.get(name);
    return verdict?.verdict !== "pass" || now() - verdict.at_ms > readyParityMs;
  });
  if (unproven.length === 0) return undefined;
  const failed = unproven.filter((name) => verdicts.has(name) && isStandingFailure(verdicts.get(name)!));
  return `No recent passing parity verdict of ${unproven.join(", ")}.${standingText(failed)}`;
}

/** What failed over all entities stays so, however often a sample passes. */
function standingText(failed: readonly string[]): string {
  if (failed.length === 0) return "";
  return ` A run over all entities failed ${failed.join(", ")}, which stays until another passes: headgate parity --views ${failed.join(",")} --sample 1.`;
}

/** Whether rows kept in memory are served, and how stale they can be. */
function describeMemory(memory: TieredStore | undefined): JsonValue {
  if (memory === undefined) return null;
  const { state, sinceMs, stalenessBoundMs } = memory.coherence();
  return { state, since_seconds: sinceMs / 1_000, staleness_bound_seconds: stalenessBoundMs / 1_000 };
}
