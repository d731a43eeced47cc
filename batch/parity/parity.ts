/**
 * Daily parity: is what the online store serves what the offline files say? View after view, each with a verdict of its
 * own; one that can't be judged does not keep the others from it, and fails the run.
 */

import { randomUUID } from "node:crypto";
import { type AppliedRegistry, requireApplied } from "../../features/applied-registry.ts";
import { type ParityVerdict, recordParityVerdict } from "../../features/parity-verdict.ts";
import type { Registry } from "../../features/registry.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import { StoredSchemas } from "../../features/stored-schema.ts";
import { viewDefinition } from "../../features/view-definition.ts";
import { openObjectStore } from "../../object-store.ts";
import { openFileEncoder } from "../file-encoder.ts";
import { DEFAULT_RANGE_ROWS } from "../file-load.ts";
import { chooseViews, type FileView } from "../materialize.ts";
import { waitOnTimer } from "../outage.ts";
import type { Wait } from "../row-rate.ts";
import { loadedViewOf, type ViewProgress } from "../view-run.ts";
import { readFileSuite } from "../view-suite.ts";
import type { ParityReport, StandingFailure, ViewParity } from "./parity-result.ts";
import type { PairObserver, ParitySample, ParitySettings, RepairMode } from "./parity-run.ts";
import { compareView } from "./view-parity.ts";

/** What to compare. */
export interface ParityOptions {
  readonly store: OnlineStore;
  readonly registry: Registry;
  readonly applied: AppliedRegistry | undefined;
  /** Where relative source paths start. */
  readonly projectDirectory: string;
  /** Names; undefined: every view that has a file source. */
  readonly views?: readonly string[] | undefined;
  /** Undefined: all entities, and what no file has is looked for. */
  readonly sample?: ParitySample | undefined;
  /** Undefined: nothing is repaired. */
  readonly repair?: RepairMode | undefined;
  readonly settings: ParitySettings;
  readonly now: () => number;
  readonly onProgress?: ((progress: ViewProgress) => void) | undefined;
  /** Who else looks at a view's pairs; undefined: nobody. What it throws is the error of that view. */
  readonly observerOf?: ((view: FileView, run: string) => PairObserver | Promise<PairObserver>) | undefined;
  /** Stops the work between two batches; the run then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** See DEFAULT_RANGE_ROWS. */
  readonly rangeRows?: number;
  /** How it waits for its rate; on the platform's timer unless given. */
  readonly wait?: Wait;
}

/**
 * Compares, and records each view's verdict where the gateway and its metrics find it. Throws before anything is read
 * VIEW_NOT_FOUND, SOURCE_NOT_FOUND, REGISTRY_NOT_APPLIED; later only the signal's reason. Whatever else goes wrong is in
 * the report of its view.
 */
export async function runParity(options: ParityOptions): Promise<ParityReport> {
  const { store, registry, signal, now, sample, settings } = options;
  const views = chooseViews(registry, options.views);
  const applied = requireApplied(options.applied, registry, views);
  const startMs = now();
  const run = `parity ${new Date(startMs).toISOString()} ${randomUUID().slice(0, 8)}`;
  const directory = options.projectDirectory;
  const objects = openObjectStore({ directory, signal });
  const encoder = openFileEncoder({ directory, decodeTimeoutMs: settings.decodeTimeout, signal });
  const schemas = new StoredSchemas(store.control);
  const reports: ViewParity[] = [];
  try {
    for (const view of views) {
      signal?.throwIfAborted();
      const line = applied.get(view.name)!;
      const definition = viewDefinition(registry, line, view.name);
      const report = await compareView({
        ...{ store, schemas, objects, encoder, view, run, settings, now, signal },
        loadedView: loadedViewOf(view),
        ...{ applied: line, definition },
        readSuite: () => readFileSuite(directory, view.name),
        sample: sample === undefined || sample.share >= 1 ? undefined : sample,
        repair: options.repair,
        wait: options.wait ?? waitOnTimer,
        onProgress: options.onProgress ?? (() => {}),
        observe: async () => options.observerOf?.(view, run),
        rangeRows: options.rangeRows ?? DEFAULT_RANGE_ROWS,
      });
      const verdict = verdictRecord(report, definition, run, now());
      const standing = await recordParityVerdict(store.control, view.name, verdict);
      reports.push(standing === undefined ? report : { ...report, standing_failure: standingFailure(standing) });
    }
  } finally {
    await encoder.close();
    await objects.close();
  }
  return Object.freeze({
    run,
    started_at: new Date(startMs).toISOString(),
    seconds: (now() - startMs) / 1_000,
    ok: reports.every(({ verdict }) => verdict === "pass"),
    views: reports,
  });
}

function standingFailure({ run, at_ms, reason }: ParityVerdict): StandingFailure {
  return { run, at: new Date(at_ms).toISOString(), reason };
}

function verdictRecord(report: ViewParity, definition: string, run: string, nowMs: number): ParityVerdict {
  return {
    run,
    at_ms: nowMs,
    verdict: report.verdict,
    reason: report.reason,
    checked: report.checked,
    compared: report.compared,
    mismatch_rate: report.mismatch_rate,
    mismatch_rate_bound: report.mismatch_rate_bound,
    outcomes: report.outcomes,
    causes: Object.fromEntries(report.causes.map(({ cause, entities }) => [cause, entities])),
    materialized_to: report.materialized_to,
    definition,
    sample: report.sample,
  };
}
