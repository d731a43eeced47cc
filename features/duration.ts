/**
 * Durations as people write them in definitions, manifests and settings: "2d", "36h", "90m", "30s", "500ms".
 * One unit per text, so that nobody has to guess what "1h30" means.
 */

import { HeadgateError } from "../errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The length in milliseconds. `what` names the setting in the refusal. Throws DEFINITION_INVALID. */
export function parseDurationMs(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const lengthMs = match === null ? Number.NaN : Number(match[1]) * UNIT_MS[match[2]!]!;
  if (!(lengthMs > 0) || !Number.isSafeInteger(lengthMs)) {
    throw new HeadgateError(
      "DEFINITION_INVALID",
      `${what} is ${JSON.stringify(text)}; write a positive length with one unit, such as "2d", "36h", "90m", "30s" or "500ms".`,
    );
  }
  return lengthMs;
}

/** The shortest of the same words that says it exactly. */
export function formatDuration(lengthMs: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    if (lengthMs !== 0 && lengthMs % UNIT_MS[unit]! === 0) return `${lengthMs / UNIT_MS[unit]!}${unit}`;
  }
  return `${lengthMs}ms`;
}
