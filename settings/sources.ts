/** Settings of what brings rows: what is taken from a source, and how a load of files goes about it. */

import { count, duration, wait } from "./setting.ts";

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
    "For a view without ttl: how far before the last materialization's end an incremental one looks again for late rows. Views with a ttl use it.",
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
});
