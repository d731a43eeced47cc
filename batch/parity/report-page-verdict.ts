/**
 * How a parity run's page tells a verdict: a shape and a word, so that nothing hangs on a colour: a disc with a tick
 * passed, a square with a cross failed, a triangle with a mark of exclamation could not be compared.
 */

import type { ParityCause, ParityOutcome, ViewParity } from "./parity-result.ts";
import { type Html, html } from "./report-html.ts";

type Verdict = ViewParity["verdict"];

const WORDS: Readonly<Record<Verdict, string>> = { pass: "Pass", fail: "Fail", error: "Error" };

const SHAPES: Readonly<Record<Verdict, Html>> = {
  pass: html`<circle cx="8" cy="8" r="7.5"/><path d="M4.2 8.3l2.6 2.6 5-5.4"/>`,
  fail: html`<rect x="0.8" y="0.8" width="14.4" height="14.4" rx="2"/><path d="M5 5l6 6m0-6l-6 6"/>`,
  error: html`<path class="ground" d="M8 0.8L15.6 15H0.4Z"/><path d="M8 5.6v4.6m0 1.6v1.2"/>`,
};

/** The shape and the word. */
export function verdictMark(verdict: Verdict): Html {
  return html`<span class="verdict ${verdict}"><svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[verdict]}</svg>${WORDS[verdict]}</span>`;
}

/** An outcome: what it means, and whether it is a mismatch. */
export interface OutcomeMeaning {
  readonly outcome: ParityOutcome;
  readonly meaning: string;
  readonly isMismatch: boolean;
}

const outcome = (name: ParityOutcome, isMismatch: boolean, meaning: string): OutcomeMeaning =>
  Object.freeze({ outcome: name, isMismatch, meaning });

/** All outcomes, in the order in which they are told. */
export const OUTCOMES: readonly OutcomeMeaning[] = Object.freeze([
  outcome("match", false, "both sides say the same"),
  outcome("newer", false, "online is newer: it came since"),
  outcome("different", true, "same event time, other values"),
  outcome("stale", true, "online is older than offline"),
  outcome("missing", true, "offline only"),
  outcome("extra", true, "online only"),
]);

/** Causes in people's words. */
export const CAUSE_NAMES: Readonly<Record<ParityCause, string>> = Object.freeze({
  late_event: "Late event",
  missed_interval: "Missed interval",
  null_for_missing: "Null for missing",
  type_narrowing: "Type narrowing",
  expired: "Expired",
  created_tie: "Tie of created timestamps",
  rewritten_file: "File rewritten",
  withdrawn_row: "Row withdrawn",
  other_fingerprint: "Other fingerprint",
  written_by_feast: "Written by Feast",
  clock_skew: "Clock skew",
  unknown: "Unknown",
});
