/** Settings of the daily comparison of the online store with the offline files. */

import { choice, count, type Setting, text, waitOrNone } from "./setting.ts";

/** A share that all of something is, too. */
function shareUpToOne(environment: string, about: string): Setting<number> {
  // A count whose greatest is whole is whole.
  const share = count(environment, "share of entities", 1, [0.000_001, 1 + Number.EPSILON], about);
  return { ...share, range: " from 0.000001 to 1" };
}

/** The table; see config.ts. */
export const PARITY_SETTINGS = Object.freeze({
  parityRate: count(
    "HEADGATE_PARITY_RATE",
    "keys per second",
    100_000,
    [0, 1_000_000_000],
    "The most keys a second that a parity run looks at in the online store, those of other views that its scan passes among them; 0 is no bound. Less leaves a store that serves meanwhile more room, and takes longer.",
  ),
  paritySample: shareUpToOne(
    "HEADGATE_PARITY_SAMPLE",
    "The share of entities that a parity run looks at, chosen by a hash of their keys. Below 1 the mismatch rate of all is only bounded, and rows that no file has are not looked for.",
  ),
  parityMinCompared: count(
    "HEADGATE_PARITY_MIN_COMPARED",
    "rows",
    1,
    [1, 1_000_000_000],
    "The fewest rows of a view whose values must have been compared for its verdict to pass. Near the view's usual number of entities, a file that came half empty is noticed.",
  ),
  parityMaxMismatch: count(
    "HEADGATE_PARITY_MAX_MISMATCH",
    "share of entities",
    0,
    [0, 0.999_999],
    "The share of the entities looked at that may differ before a view's verdict fails.",
  ),
  parityReports: text(
    "HEADGATE_PARITY_REPORTS",
    "folder",
    "reports",
    "Where the reports of parity runs are written: a folder, relative to the project's, or s3://bucket/prefix.",
  ),
  nightlyParity: choice(
    ["HEADGATE_NIGHTLY_PARITY", "on or off", "on"],
    ["on", "off"],
    "Whether a nightly run compares the views that it has loaded. It reads all their files and rows once more.",
  ),
  readyParity: waitOrNone(
    "HEADGATE_READY_PARITY",
    "0s",
    "How old a passing parity verdict may be: /readyz says 503 while a view that a serving model reads has none as young. 0ms does not ask. A view that fails takes every gateway out of the balancer at once, so leave a fallback behind it.",
  ),
});
