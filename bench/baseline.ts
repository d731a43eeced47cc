/**
 * The ratios that the committed baseline holds, and what has become of them. Only ratios of one run are kept (bars whose
 * unit is "×"): they hold from machine to machine and from hour to hour, where rates and milliseconds do not. A ratio
 * has fallen when it is more than a tenth worse than the baseline's, whichever way is better for it.
 */

import { type Bar, shortNumber, textTable } from "./result.ts";

/** Fallen below this share of the baseline's ratio, a ratio fails. */
export const TOLERANCE = 0.9;

/** A result document as bench/results/ holds it, as far as it is read here. */
export interface ResultDocument {
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly versions: Readonly<Record<string, string>>;
  readonly commit?: string;
  readonly bars: readonly StoredBar[];
}

/** A bar as JSON holds it: null stands for infinity. */
export type StoredBar = Omit<Bar, "value"> & { readonly value?: number | null };

/** What is kept of a bench: where its ratios come from, and each by its bar's name. */
export type KeptBench = Omit<ResultDocument, "bars"> & { readonly ratios: Readonly<Record<string, KeptRatio>> };

/** A ratio, and whether less of it is better. */
export interface KeptRatio {
  readonly value: number;
  readonly better: "less" | "more";
}

/** bench/baseline.json: each bench by its name. */
export type Baseline = Readonly<Record<string, KeptBench>>;

/** One line of the comparison. */
export interface Compared {
  readonly name: string;
  readonly kept: number | undefined;
  readonly now: number | undefined;
  /** How much better, as a share: −0.2 is a fifth worse. Undefined where either is unknown. */
  readonly gain: number | undefined;
  readonly verdict: "ok" | "fallen" | "not measured" | "not in the baseline";
}

/** What a baseline keeps of a run; ratios that were not measured, or are infinite, are left out. */
export function keptOf({ machine, versions, commit, bars }: ResultDocument): KeptBench {
  const ratios = bars.flatMap((bar) =>
    isRatio(bar) && Number.isFinite(bar.value)
      ? [[bar.name, { value: bar.value!, better: betterOf(bar) }] as const]
      : [],
  );
  return { machine, versions, ...(commit === undefined ? {} : { commit }), ratios: Object.fromEntries(ratios) };
}

/** Holds a run against what was kept, ratio by ratio: those of the baseline first, then new ones. */
export function compareWith({ ratios }: KeptBench, { bars }: ResultDocument): readonly Compared[] {
  const measured = new Map(bars.filter(isRatio).map((bar) => [bar.name, bar]));
  const known = Object.entries(ratios).map(([name, kept]) => compared(name, kept, measured.get(name)));
  const added = [...measured.keys()].filter((name) => !Object.hasOwn(ratios, name));
  return [...known, ...added.map((name) => compared(name, undefined, measured.get(name)))];
}

/** The lines as a table for people. */
export function comparedTable(lines: readonly Compared[]): string {
  const percent = (gain: number) => `${gain >= 0 ? "+" : "−"}${Math.abs(100 * gain).toFixed(1)} %`;
  const rows = lines.map(({ name, kept, now, gain, verdict }) => [
    name,
    shortNumber(kept),
    shortNumber(now),
    gain === undefined ? "–" : percent(gain),
    verdict === "fallen" ? "FALLEN" : verdict,
  ]);
  return textTable(["ratio", "baseline", "now", "better by", ""], rows);
}

function compared(name: string, kept: KeptRatio | undefined, bar: StoredBar | undefined): Compared {
  const now = bar?.value === null ? Number.POSITIVE_INFINITY : bar?.value;
  if (kept === undefined) return { name, kept: undefined, now, gain: undefined, verdict: "not in the baseline" };
  if (now === undefined) return { name, kept: kept.value, now, gain: undefined, verdict: "not measured" };
  const share = kept.better === "less" ? kept.value / now : now / kept.value;
  // A hair's breadth for decimals that binary fractions miss.
  return { name, kept: kept.value, now, gain: share - 1, verdict: share < TOLERANCE - 1e-9 ? "fallen" : "ok" };
}

const isRatio = ({ unit }: StoredBar) => unit === "×";
const betterOf = ({ bar }: StoredBar): KeptRatio["better"] => (bar.startsWith("≤") ? "less" : "more");
