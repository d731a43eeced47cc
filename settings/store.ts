/** Settings of the online store, of the memory before it, and of how long it keeps rows. */

import { count, duration, text, wait } from "./setting.ts";

/** The table; see config.ts. */
export const STORE_SETTINGS = Object.freeze({
  onlineStore: text(
    "HEADGATE_ONLINE_STORE",
    "address",
    "lmdb:.headgate/online",
    "Where rows are kept: lmdb:<folder> (embedded, several processes of one host), redis://, rediss://, redis+sentinel://, redis+cluster:// (several hosts), or memory: (gone with the process; for tests).",
  ),
  minReplicas: count(
    "HEADGATE_MIN_REPLICAS",
    "replicas",
    0,
    [0, 10],
    "Redis: replicas that must have a row before it counts as written. 0 is fastest, and a failover may lose the last writes.",
  ),
  cacheBytes: count(
    "HEADGATE_CACHE_BYTES",
    "bytes",
    268_435_456,
    [0, 1_099_511_627_776],
    "Redis: memory for rows kept in the gateway, decoded values included; an entity of one view with four numbers takes about 500 bytes. 0 reads Redis every time.",
  ),
  heartbeatInterval: wait(
    "HEADGATE_HEARTBEAT_INTERVAL",
    "500ms",
    "Redis: how often it is proven that changes are told. With heartbeatTimeout it is the bound on staleness; shorter costs each master one small write more often.",
  ),
  heartbeatTimeout: wait(
    "HEADGATE_HEARTBEAT_TIMEOUT",
    "1s",
    "Redis: how long a proof may take before kept rows are fenced. Below the longest stall of network or server, memory is dropped for nothing.",
  ),
  breakerFailures: count(
    "HEADGATE_BREAKER_FAILURES",
    "failures",
    3,
    [1, 1_000],
    "Redis: failures in a row after which reads fail at once instead of waiting. Fewer open it for a hiccup.",
  ),
  breakerBackoff: wait(
    "HEADGATE_BREAKER_BACKOFF",
    "200ms",
    "Redis: the first wait before it is tried again; it doubles, with jitter.",
  ),
  breakerBackoffMax: wait(
    "HEADGATE_BREAKER_BACKOFF_MAX",
    "5s",
    "Redis: the longest wait before it is tried again, hence how long a recovery may go unnoticed.",
  ),
  expiryGrace: duration(
    "HEADGATE_EXPIRY_GRACE",
    "7d",
    "How long a row is kept beyond its view's ttl before it is collected. Shorter saves memory; late corrections older than it can bring a deleted row back.",
  ),
  sweepInterval: wait(
    "HEADGATE_SWEEP_INTERVAL",
    "1h",
    "How often a gateway collects expired rows from an embedded store. A sweep reads every row's expiry.",
  ),
});
