/** A served parity for people: the verdict, a line for each feature, and what could not be compared. */

import { type JsonValue, writeJson } from "../../features/json-value.ts";
import { count } from "../report.ts";
import { percentNumber } from "./percent-text.ts";
import type {
  ServedExample,
  ServedFeatureParity,
  ServedParityReport,
  ServedUncompared,
  ServedViewParity,
} from "./served-result.ts";

/** The most examples shown of a feature; the JSON has all that are kept. */
const EXAMPLES_SHOWN = 2;

const UNCOMPARED: Readonly<Record<ServedUncompared, string>> = {
  absent: "absent or too old on both sides",
  newer: "served from rows that no file has, such as streamed ones",
  offline_later: "in the files only after they were served",
  no_history: "served from rows older than the files' first",
};

const SKIPPED = {
  on_demand: "computed on demand",
  request: "from the request",
  no_file_source: "of a view without files",
  undeclared: "no longer declared",
} as const;

/** "1 file", "2,000 files". */
const counted = (many: number, what: string): string => `${count(many)} ${what}${many === 1 ? "" : "s"}`;

/** The report as text, without a line break at its end. */
export function formatServedParity(report: ServedParityReport): string {
  const { ok, reason, log, views, skipped } = report;
  const span = log.vectors === 0 ? "" : `, served from ${log.first_served_at} to ${log.last_served_at}`;
  const leftOut = log.vectors_left_out === 0 ? "" : ` (the newest; ${count(log.vectors_left_out)} older ones left out)`;
  const lines = [
    `served parity ${ok ? "passes" : "FAILS"}: ${reason}`,
    `${counted(log.vectors, "vector")}${leftOut} of ${counted(log.files, "file")}${span}`,
    ...unreadLines(report),
    ...views.flatMap((view) => viewLines(view, report.max_mismatch_share)),
  ];
  for (const { feature, reason: why, values } of skipped)
    lines.push(`not compared: ${feature}, ${SKIPPED[why]} (${counted(values, "value")})`);
  return lines.join("\n");
}

function unreadLines({ log }: ServedParityReport): readonly string[] {
  if (log.lines_bad === 0 && log.files_unreadable === 0) return [];
  return [
    `can't be read: ${counted(log.lines_bad, "line")}, ${counted(log.files_unreadable, "file")}`,
    ...log.samples.map((sample) => `  ${sample}`),
  ];
}

function viewLines(view: ServedViewParity, limit: number): readonly string[] {
  if (view.error !== undefined) return [`${view.view}: failed. ${view.error.detail} [${view.error.code}]`];
  const uncompared = Object.entries(UNCOMPARED).flatMap(([outcome, meaning]) => {
    const rows = view.outcomes[outcome as ServedUncompared];
    return rows === 0 ? [] : [`  not compared: ${count(rows)} ${meaning}`];
  });
  const bad = view.offline_rows_bad === 0 ? "" : `, ${count(view.offline_rows_bad)} of them bad`;
  return [
    `${view.view}: ${counted(view.served, "served row")} against ${counted(view.offline_rows_read, "row")} of its files${bad}`,
    ...view.features.flatMap((feature) => featureLines(feature, limit)),
    ...uncompared,
  ];
}

function featureLines(feature: ServedFeatureParity, limit: number): readonly string[] {
  const { compared, mismatched, mismatch_share: share, causes } = feature;
  const name = feature.feature.slice(feature.feature.indexOf(":") + 1);
  if (mismatched === 0) return [`  ${name}: ${count(compared)} compared, all equal`];
  const why = Object.entries(causes).flatMap(([cause, times]) => (times === 0 ? [] : [`${count(times)} ${cause}`]));
  return [
    `  ${name}: ${count(compared)} compared, ${count(mismatched)} differ (${percentNumber(share, limit)} %): ${why.join(", ")}`,
    ...feature.examples.slice(0, EXAMPLES_SHOWN).flatMap(exampleLines),
  ];
}

function exampleLines(example: ServedExample): readonly string[] {
  const served = sideText(example.served, example.served_status, example.served_event_timestamp);
  const offline = sideText(example.offline, example.offline_status, example.offline_event_timestamp);
  return [
    `    ${writeJson(example.entity)} at ${example.served_at}: served ${served}, offline ${offline}`,
    `    request ${example.request_id}; now: ${example.shown_by}`,
  ];
}

function sideText(value: JsonValue, status: string, at: string | null): string {
  const shown = status === "PRESENT" ? writeJson(value) : status;
  return at === null ? shown : `${shown} (of ${at})`;
}
