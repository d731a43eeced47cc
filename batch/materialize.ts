/**
 * Files → online store: one view after another, each under its lease, and a report of what became of every row.
 *
 * Killed at any moment and started again, the store ends the same: rows are newest-wins and the checkpoint moves last.
 * A view that fails does not keep the others from loading; the run as a whole has failed then.
 */

import { randomUUID } from "node:crypto";
import { HeadgateError } from "../errors.ts";
import { type AppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { findView } from "../features/catalog.ts";
import type { FeatureView } from "../features/feature-view.ts";
import type { Registry } from "../features/registry.ts";
import type { FileSource } from "../features/source.ts";
import { viewDefinition } from "../features/view-definition.ts";
import { openObjectStore } from "../object-store.ts";
import { openFileEncoder } from "./file-encoder.ts";
import { DEFAULT_RANGE_ROWS } from "./file-load.ts";
import { checkEnd } from "./interval.ts";
import { waitOnTimer } from "./outage.ts";
import type { MaterializeReport, ViewReport } from "./report.ts";
import { DEFAULT_WRITE_ROWS } from "./row-flow.ts";
import type { Wait } from "./row-rate.ts";
import { loadView } from "./view-load.ts";
import { type LoadOptions, loadedViewOf } from "./view-run.ts";
import { readFileSuite, strayedSuites } from "./view-suite.ts";

/** What to do. */
export interface MaterializeOptions extends LoadOptions {
  readonly registry: Registry;
  readonly applied: AppliedRegistry | undefined;
  /** Where relative source paths start. */
  readonly projectDirectory: string;
  /** Names; undefined: every view that has a file source. */
  readonly views?: readonly string[];
  /** See DEFAULT_RANGE_ROWS. */
  readonly rangeRows?: number;
  /** See DEFAULT_WRITE_ROWS. */
  readonly writeRows?: number;
  /** How it waits for its rate and for a store that is away; on the platform's timer unless given. */
  readonly wait?: Wait;
}

/**
 * Materializes. Throws before anything is read: VIEW_NOT_FOUND, SOURCE_NOT_FOUND for a view without a file source,
 * REGISTRY_NOT_APPLIED, INTERVAL_INVALID for an end that is ahead of the clock by more than maxFuture. Whatever goes
 * wrong later is in the report of its view.
 */
export async function materialize(options: MaterializeOptions): Promise<MaterializeReport> {
  const { registry, signal, now, settings } = options;
  checkEnd(options.range.endUs, now(), settings.maxFuture);
  const views = chooseViews(registry, options.views);
  const applied = requireApplied(options.applied, registry, views);
  const run = `materialize ${new Date(now()).toISOString()} ${randomUUID().slice(0, 8)}`;
  const directory = options.projectDirectory;
  const objects = openObjectStore({ directory, signal });
  const encoder = openFileEncoder({ directory, decodeTimeoutMs: settings.decodeTimeout, signal });
  const reports: ViewReport[] = [];
  try {
    for (const view of views) {
      if (signal?.aborted) break;
      const line = applied.get(view.name)!;
      const report = await loadView({
        ...options,
        ...{ objects, encoder, view },
        loadedView: loadedViewOf(view),
        readSuite: () => readFileSuite(directory, view.name),
        applied: line,
        run,
        definition: viewDefinition(registry, line, view.name),
        rangeRows: options.rangeRows ?? DEFAULT_RANGE_ROWS,
        writeRows: options.writeRows ?? DEFAULT_WRITE_ROWS,
        wait: options.wait ?? waitOnTimer,
      });
      reports.push(report);
    }
  } finally {
    await encoder.close();
    await objects.close();
  }
  const strays = await strayedSuites(
    directory,
    [...registry.views.values()].filter(hasFiles).map(({ name }) => name),
  );
  // Said once, with the first view: it is of none.
  if (strays !== undefined && reports.length > 0)
    reports[0] = { ...reports[0]!, warnings: [...reports[0]!.warnings, strays] };
  const ok = reports.length === views.length && reports.every((report) => report.status === "done");
  return Object.freeze({ run, ok, views: reports });
}

/**
 * The views that are named, or all that have a file source, in the order of their names. Throws VIEW_NOT_FOUND, and
 * SOURCE_NOT_FOUND where there is no file source.
 */
export function chooseViews(registry: Registry, names: readonly string[] | undefined): readonly FileView[] {
  const withFiles = [...registry.views.values()].filter(hasFiles);
  if (names === undefined) {
    if (withFiles.length > 0) return withFiles.sort((a, b) => (a.name < b.name ? -1 : 1));
    throw new HeadgateError("SOURCE_NOT_FOUND", `No feature view has a file source. ${ADD_SOURCE}`);
  }
  return [...new Set(names)].map((name) => {
    const view = findView(registry, name);
    if (hasFiles(view)) return view;
    throw new HeadgateError("SOURCE_NOT_FOUND", `Feature view "${name}" has no file source. ${ADD_SOURCE}`);
  });
}

/** A view that has a file source. */
export type FileView = FeatureView & { readonly source: FileSource };

function hasFiles(view: FeatureView): view is FileView {
  return view.source !== undefined;
}

const ADD_SOURCE = `Add source: fileSource({ path, timestampField }) to what is to be materialized.`;
