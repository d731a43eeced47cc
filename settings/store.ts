/** Settings of the online store, of the memory before it, and of how long it keeps rows. */

import { choice, count, duration, text, wait } from "./setting.ts";

/** The table; see config.ts. */
export const STORE_SETTINGS = Object.freeze({
  onlineStore: text(
    "HEADGATE_ONLINE_STORE",
    "address",
    "lmdb:.headgate/online",
    "Where rows are kept: lmdb:<folder> (embedded, several processes of one host), redis://, rediss://, redis+sentinel://, redis+cluster:// (several hosts), or memory: (gone with the process; for tests).",
  ),
  onlineStoreLayout: choice(
    ["HEADGATE_ONLINE_STORE_LAYOUT", "layout", "packed"],
    ["packed", "feast"],
    "Redis: how rows lie there. packed takes the least memory; feast is what Feast 0.67 reads and writes, so that both can use one Redis. A change of layout moves no rows: load them again.",
  ),
  feastProject: text(
    "HEADGATE_FEAST_PROJECT",
    "name",
    "",
    "Layout feast: the project in Feast's feature_store.yaml, which is a part of every key. Without it the project's own name.",
  ),
  feastKeyTtlSeconds: count(
    "HEADGATE_FEAST_KEY_TTL_SECONDS",
    "seconds",
    0,
    [0, 2_147_483_647],
    "Layout feast: Feast's key_ttl_seconds. An entity's rows of all views go so long after the last write of any. 0 keeps them.",
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
    "Redis: memory for rows kept in the gateway, decoded values included; an entity of one view with four numbers takes about 460 bytes. 0 reads Redis every time.",
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
