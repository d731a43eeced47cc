/**
 * Progress of a materialization on a stream for people: on a terminal one line that is rewritten, elsewhere a plain
 * line every few seconds and one at the end. How long it will take is known from the start: the files' footers say how
 * many rows there are.
 */

import { count } from "./report.ts";
import type { ViewProgress } from "./view-run.ts";

/** Where progress goes: process.stderr is one. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Between two lines, ms: what a person can follow, and what does not fill a log. */
const TERMINAL_EVERY_MS = 100;
const PLAIN_EVERY_MS = 5_000;

/** Makes an onProgress that writes to a stream; "silent" (for --json) writes nothing. `now` is epoch ms. */
export function progressWriter(stream: ProgressStream | "silent", now: () => number): (progress: ViewProgress) => void {
  if (stream === "silent") return () => {};
  const everyMs = stream.isTTY ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS;
  let [view, startMs, writtenMs]: [string | undefined, number, number] = [undefined, 0, 0];
  return (progress) => {
    const nowMs = now();
    if (progress.view !== view) [view, startMs, writtenMs] = [progress.view, progress.startMs, progress.startMs];
    if (!progress.ended && nowMs - writtenMs < everyMs) return;
    writtenMs = nowMs;
    const line = progressLine(progress, nowMs - startMs);
    if (!stream.isTTY) stream.write(`${line}\n`);
    // Cut to the terminal's width: a line that wraps can't be rewritten.
    else stream.write(`\r\u001b[2K${line.slice(0, (stream.columns ?? 80) - 1)}${progress.ended ? "\n" : ""}`);
  };
}

/** "customer_30d: 400,000 of 1,000,000 rows (40%), 160,000 rows/s, 4 s left". */
function progressLine({ view, rowsRead, rowsTotal, ended }: ViewProgress, elapsedMs: number): string {
  const perSecond = elapsedMs > 0 ? (rowsRead * 1_000) / elapsedMs : 0;
  const rate = perSecond > 0 ? `, ${count(perSecond)} rows/s` : "";
  if (ended) return `${view}: ${count(rowsRead)} rows in ${(elapsedMs / 1_000).toFixed(1)} s${rate}`;
  const share = rowsTotal > 0 ? Math.floor((100 * rowsRead) / rowsTotal) : 100;
  const left = perSecond > 0 ? `, ${timeLeft((rowsTotal - rowsRead) / perSecond)} left` : "";
  return `${view}: ${count(rowsRead)} of ${count(rowsTotal)} rows (${share}%)${rate}${left}`;
}

function timeLeft(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3_600 ? `${Math.ceil(whole / 60)} min` : `${(whole / 3_600).toFixed(1)} h`;
}
