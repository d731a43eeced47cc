/** Metrics and log lines of the online store: the memory before it, the invalidation channel, the circuit breaker. */

import { Counter, Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { AppliedRegistryEvent } from "../features/applied-registry-watch.ts";
import type { RoundTripEvent } from "../features/store/redis-round-trip.ts";
import type { ServingStore } from "../features/store/serving-store.ts";
import { LATENCY_BUCKETS, type Listener, type Log, memoized, on } from "./listener.ts";
import { registerHistogram } from "./metric-series.ts";

/** Tells of what happens to the online store. */
export function logStore(log: Log): readonly Listener[] {
  return [
    on<string>("headgate:store-coherence", (state) =>
      log(state === "armed" ? "info" : "warn", `memory before the online store is ${state}`),
    ),
    on<string>("headgate:store-breaker", (state) =>
      log(state === "closed" ? "info" : "warn", `circuit breaker of the online store is ${state}`),
    ),
    on<{ reason: string }>("headgate:store-tracking-failed", ({ reason }) =>
      log("warn", "changes of the online store are not told", { reason }),
    ),
    on<AppliedRegistryEvent>("headgate:applied-registry", ({ problem }) => {
      if (problem === undefined) log("info", "the online store holds the applied registry again");
      else log("warn", "the applied registry is not the one this process began with", { reason: problem });
    }),
    on<{ message: string; isOver?: boolean }>("headgate:store-warning", ({ message, isOver = false }) =>
      log(isOver ? "info" : "warn", message),
    ),
  ];
}

/** Counts and times the round trips by which rows are read and written. */
export function countRoundTrips(metrics: MetricsRegistry): readonly Listener[] {
  const seconds = registerHistogram(metrics, {
    name: "headgate_store_round_trip_seconds",
    help: "Time from a command's sending to Redis to its answer, by operation: read, write; one for all that a turn reads.",
    labelNames: ["operation"],
    buckets: LATENCY_BUCKETS,
  });
  const of = memoized((operation: string) => seconds(operation));
  return [
    on<RoundTripEvent>("headgate:store-round-trip", ({ operation, durationMs }) =>
      of(operation).observe(durationMs / 1_000),
    ),
  ];
}

/** Read when metrics are scraped, so that counting costs a read of the store nothing. */
export function watchStore(metrics: MetricsRegistry, { memory, breaker }: ServingStore): void {
  const registers = [metrics];
  const gauge = (name: string, help: string, value: () => number, aggregator: "sum" | "min" | "max" = "sum") => {
    const shown: Gauge = new Gauge({ name, help, aggregator, registers, collect: () => shown.set(value()) });
  };
  const total = (name: string, help: string, value: () => number) => {
    const shown: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        shown.reset();
        shown.inc(value());
      },
    });
  };
  if (memory !== undefined) {
    const counts = () => memory.counts();
    total("headgate_memory_hits_total", "Entities answered from memory.", () => counts().hits);
    total(
      "headgate_memory_negative_hits_total",
      "Of the hits, entities known to have no row.",
      () => counts().negativeHits,
    );
    total("headgate_memory_misses_total", "Entities for which the remote store was asked.", () => counts().misses);
    total(
      "headgate_memory_joined_total",
      "Of the misses, those that waited for a read under way.",
      () => counts().joined,
    );
    total("headgate_memory_evictions_total", "Entities that had to go for others.", () => counts().evictions);
    total("headgate_memory_invalidations_total", "Entities told to have changed.", () => counts().invalidations);
    total(
      "headgate_memory_drops_total",
      "Times that everything was dropped, the first arming included.",
      () => counts().drops,
    );
    total(
      "headgate_memory_discarded_fills_total",
      "Entities read but not kept, because they changed meanwhile.",
      () => counts().discardedFills,
    );
    gauge("headgate_memory_entities", "Entities kept now.", () => counts().entities);
    gauge("headgate_memory_bytes", "What they take, as reckoned.", () => counts().bytes);
    gauge(
      "headgate_memory_armed",
      "1 while kept rows are proven current, 0 while they are fenced.",
      () => (memory.coherence().state === "armed" ? 1 : 0),
      "min",
    );
  }
  if (breaker !== undefined) {
    const states = { closed: 0, "half-open": 1, open: 2 };
    gauge(
      "headgate_store_breaker_state",
      "Circuit breaker of the online store: 0 closed, 1 half-open, 2 open.",
      () => states[breaker.breaker().state],
      "max",
    );
  }
}
