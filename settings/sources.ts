/** Settings of what brings rows: what is taken from a source, and how a load of files goes about it. */

import { count, duration, text, wait } from "./setting.ts";

/** The table; see config.ts. */
export const SOURCE_SETTINGS = Object.freeze({
  maxFuture: duration(
    "HEADGATE_MAX_FUTURE",
    "5m",
    "How far an event may be dated ahead of its record's own timestamp. One wrong year would pin an entity for ever.",
  ),
  lookback: duration(
    "HEADGATE_LOOKBACK",
    "7d",
    "For a view without ttl, which it has instead: how far before what a known file was loaded to an incremental materialization reads it again, when the file has newer rows or the store may have lost some.",
  ),
  maxBadRows: count(
    "HEADGATE_MAX_BAD_ROWS",
    "share of rows",
    0.001,
    [0, 0.999_999],
    "The share of rows that may be refused before a materialization fails with its checkpoint unmoved.",
  ),
  leaseTtl: wait(
    "HEADGATE_LEASE_TTL",
    "60s",
    "How long a materialization that died keeps its view locked. A live one renews its lease at a third of this.",
  ),
  materializeRate: count(
    "HEADGATE_MATERIALIZE_RATE",
    "rows per second",
    0,
    [0, 1_000_000_000],
    "The most rows a second that one materialization writes; 0 is no bound. A bound leaves a store that serves meanwhile room for its reads.",
  ),
  decodeTimeout: wait(
    "HEADGATE_DECODE_TIMEOUT",
    "60s",
    "How long decoding may go on without a pause before the file is taken for damaged. Too short refuses files whose row groups are large.",
  ),
  nightlySchedule: text(
    "HEADGATE_NIGHTLY_SCHEDULE",
    "cron",
    "",
    "When headgate nightly runs, as cron writes it: 0 2 * * * is every night at two. Without it one run is made and the process ends.",
  ),
  nightlyTimezone: text(
    "HEADGATE_NIGHTLY_TIMEZONE",
    "time zone",
    "UTC",
    "The zone of nightlySchedule, such as Europe/Berlin. Files that are due by local midnight need it twice a year. An hour that daylight saving repeats comes once, for wildcards too: an hourly schedule that must not pause is one in UTC.",
  ),
  nightlyTries: count(
    "HEADGATE_NIGHTLY_TRIES",
    "tries",
    3,
    [1, 100],
    "How often one nightly run tries a view that fails in a way that passes, the first time included. What does not pass is not tried again.",
  ),
  nightlyBackoff: wait(
    "HEADGATE_NIGHTLY_BACKOFF",
    "5m",
    "The wait before a nightly run's second try; it doubles, up to an hour. Below leaseTtl, a view that a dead process held may be tried too early.",
  ),
  nightlyHealthPort: count(
    "HEADGATE_NIGHTLY_HEALTH_PORT",
    "TCP port",
    8082,
    [0, 65_535],
    "The port of a nightly's /livez, /readyz and /metrics while it keeps a schedule; 0 takes a free one. Other than healthPort, so that an ingester can run beside it.",
  ),
});
