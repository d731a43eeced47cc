/** Settings of the served log, by which served feature vectors are kept, and of the parity that is taken from it. */

import { choice, count, type Setting, textThat, wait } from "./setting.ts";

/** Other stores than the two there are would be found out at the first file only. */
const isReachable = (path: string): boolean => !/^(?!(?:file|s3):)[a-z][a-z0-9+.-]*:\/\//i.test(path);

/** A share from 0 to 1; a count whose greatest is whole is whole. */
const share = (environment: string, unit: string, fallback: number, about: string): Setting<number> => ({
  ...count(environment, unit, fallback, [0, 1 + Number.EPSILON], about),
  range: " from 0 to 1",
});

/** The table; see config.ts. */
export const SERVED_LOG_SETTINGS = Object.freeze({
  servedLog: textThat(
    isReachable,
    ["HEADGATE_SERVED_LOG", "folder", "", " or s3://bucket/prefix"],
    "Where a gateway keeps a sample of the feature vectors it served: a folder, or s3://bucket/prefix. Without it none is kept. The files hold join keys and feature values, so whoever may read them sees people's data.",
  ),
  servedLogShare: share(
    "HEADGATE_SERVED_LOG_SHARE",
    "share of requests",
    0.01,
    "The share of requests whose vectors are kept, chosen by a hash of the request id. 1 keeps all, at a cost of some microseconds of CPU time for each entity; 0 none.",
  ),
  servedLogQueueRows: count(
    "HEADGATE_SERVED_LOG_QUEUE_ROWS",
    "entities",
    10_000,
    [1, 10_000_000],
    "The most entities waiting for the served log or being written to it. Beyond it they are dropped and counted. A request with more entities than this is never kept.",
  ),
  servedLogBatchRows: count(
    "HEADGATE_SERVED_LOG_BATCH_ROWS",
    "entities",
    1_000,
    [1, 100_000],
    "How many entities make a file of the served log. More make fewer files, and more is lost with a process that dies.",
  ),
  servedLogMaxWait: wait(
    "HEADGATE_SERVED_LOG_MAX_WAIT",
    "1m",
    "How long a vector may wait for its file to fill up before a smaller one is written. It is what a process that dies loses at most.",
  ),
  servedLogCompression: choice(
    ["HEADGATE_SERVED_LOG_COMPRESSION", "codec", "none"],
    ["none", "gzip"],
    "gzip makes the files of the served log some ten times smaller, for some CPU time off the event loop.",
  ),
  servedParityRows: count(
    "HEADGATE_SERVED_PARITY_ROWS",
    "entities",
    100_000,
    [1, 10_000_000],
    "The most served vectors that headgate parity --served takes, the newest of its interval. They are in memory while it runs.",
  ),
  servedParityMaxMismatch: share(
    "HEADGATE_SERVED_PARITY_MAX_MISMATCH",
    "share of values",
    0.01,
    "The share of a feature's served values that may differ from the offline history before headgate parity --served fails.",
  ),
});
