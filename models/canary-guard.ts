/**
 * The rule that ends a canary by itself. Each request of the canary is put into a ring of its latest outcomes; a bound
 * that is passed there ends it. The share of failures is looked at on every failure and needs no full ring: once more
 * have failed than the whole ring may hold, waiting would only fail more. What has to be sorted, run times and scores,
 * is looked at now and then and only when the ring is full; of the stable version's scores all that are kept are compared
 * with, for they are what is expected.
 */

import { quantile } from "./recent-values.ts";
import { scoreDrift } from "./score-drift.ts";
import type { CanaryGuard } from "./traffic.ts";
import type { VersionStatistics } from "./version-statistics.ts";

/** How often run times and scores are looked at, as a share of the guard's requests. */
const LOOKS_PER_RING = 10;

/** The share of runs that the latency bound is about. */
const LATENCY_SHARE = 0.95;

/** Watches one canary. */
export class GuardWatch {
  readonly #guard: CanaryGuard;
  readonly #canary: VersionStatistics;
  readonly #stable: VersionStatistics;
  /** 1 where a request failed. */
  readonly #outcomes: Uint8Array;
  #seen = 0;
  #failed = 0;

  constructor(guard: CanaryGuard, canary: VersionStatistics, stable: VersionStatistics) {
    this.#guard = guard;
    this.#canary = canary;
    this.#stable = stable;
    this.#outcomes = new Uint8Array(guard.requests);
  }

  /** Takes the outcome of a request that the canary's statistics have counted; gives why the canary has to end, if so. */
  take(failed: boolean): string | undefined {
    const { requests } = this.#guard;
    const at = this.#seen++ % requests;
    this.#failed += Number(failed) - this.#outcomes[at]!;
    this.#outcomes[at] = Number(failed);
    if (failed) {
      const reason = this.#failing();
      if (reason !== undefined) return reason;
    }
    const isLook = this.#seen >= requests && this.#seen % Math.ceil(requests / LOOKS_PER_RING) === 0;
    return isLook ? (this.#slow() ?? this.#drifted()) : undefined;
  }

  #failing(): string | undefined {
    const { errorRate, requests } = this.#guard;
    if (errorRate === undefined || this.#failed <= errorRate * requests) return undefined;
    const seen = Math.min(this.#seen, requests);
    return `${this.#failed} of its latest ${seen} requests failed, more than error_rate ${errorRate} of ${requests} allows`;
  }

  #slow(): string | undefined {
    const { latencyRatio, requests } = this.#guard;
    if (latencyRatio === undefined) return undefined;
    const [canaryMs, stableMs] = [this.#canary, this.#stable].map(({ modelMs }) =>
      quantile(modelMs.sorted(requests), LATENCY_SHARE),
    );
    if (canaryMs === undefined || stableMs === undefined || canaryMs <= stableMs * latencyRatio) return undefined;
    return `its p95 of ${canaryMs.toFixed(2)} ms is more than latency_ratio ${latencyRatio} times the stable version's ${stableMs.toFixed(2)} ms`;
  }

  #drifted(): string | undefined {
    const { psi: bound, requests } = this.#guard;
    if (bound === undefined) return undefined;
    const drift = scoreDrift(this.#stable.scores.sorted(), this.#canary.scores.sorted(requests));
    if (drift === undefined || drift.psi <= bound) return undefined;
    return `its scores' stability index of ${drift.psi.toFixed(3)} against the stable version's is over psi ${bound}`;
  }
}
