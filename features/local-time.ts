/**
 * Local wall-clock times to instants, for timestamps that carry no zone and a source that names one.
 *
 * At a change of the clock a local time can be missing or come twice. Both are read with the offset in force before the
 * change (what java.time and Temporal call "compatible"): a missing 02:30 becomes 03:30 of the new offset, a doubled
 * 02:30 is the first one. Offsets come from the platform's zone data; a lookup costs microseconds, so whole quarters of
 * an hour are remembered: a zone's offset changes at most at the edge of one.
 */

const QUARTER_US = 900_000_000;
const DAY_US = 86_400_000_000;
/** Quarters of an hour kept; beyond it the memory starts again. About 3 MB and eleven years of them. */
const REMEMBERED_QUARTERS = 400_000;

/** Turns a local time, as µs since 1970-01-01T00:00 on that wall clock, into µs since the epoch. */
export type LocalToUtc = (localUs: number) => number;

/** Compiles the conversion of an IANA zone; "UTC" is the identity. */
export function compileLocalToUtc(timezone: string): LocalToUtc {
  if (/^(UTC|Etc\/UTC|GMT|Z)$/i.test(timezone)) return (localUs) => localUs;
  const offsetAt = compileOffsetAt(timezone);
  const remembered = new Map<number, number>();
  return (localUs) => {
    const quarter = Math.floor(localUs / QUARTER_US);
    let offsetUs = remembered.get(quarter);
    if (offsetUs === undefined) {
      offsetUs = offsetOfLocal(offsetAt, quarter * QUARTER_US);
      if (remembered.size >= REMEMBERED_QUARTERS) remembered.clear();
      remembered.set(quarter, offsetUs);
    }
    return localUs - offsetUs;
  };
}

function offsetOfLocal(offsetAt: (utcUs: number) => number, localUs: number): number {
  const before = offsetAt(localUs - DAY_US);
  if (offsetAt(localUs - before) === before) return before;
  const after = offsetAt(localUs + DAY_US);
  return offsetAt(localUs - after) === after ? after : before;
}

/** The zone's offset (local − UTC) in µs at an instant. */
function compileOffsetAt(timezone: string): (utcUs: number) => number {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: timezone, timeZoneName: "longOffset" });
  return (utcUs) => {
    const name = format.formatToParts(utcUs / 1_000).find((part) => part.type === "timeZoneName")?.value ?? "";
    // "GMT", "GMT+05:45", and with seconds before the zone was standardized: "GMT-04:56:02".
    const [, sign, hours, minutes, seconds] = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(name) ?? [];
    const offsetSeconds = Number(hours ?? 0) * 3_600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
    return (sign === "-" ? -offsetSeconds : offsetSeconds) * 1_000_000;
  };
}
