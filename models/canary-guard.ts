/**
 * The rule that ends a canary by itself. Each request of the canary is put into a ring of its latest outcomes; a bound
 * that is passed there ends it. The share of failures is looked at on every failure and needs no full ring: once more
 * have failed than the whole ring may hold, waiting would only fail more. What has to be sorted, run times and scores,
 * takes milliseconds, so it is looked at now and then, when the ring is full, and when the caller has the time.
 */

import { quantile } from "./recent-values.ts";
import { scoreDrift } from "./score-drift.ts";
import type { CanaryGuard } from "./traffic.ts";
import type { VersionStatistics } from "./version-statistics.ts";

/** How often run times and scores are looked at: as a share of the guard's requests, but not more often than this many. */
const LOOKS_PER_RING = 10;
const LOOK_REQUESTS_MIN = 200;

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
  #lookAt: number;

  constructor(guard: CanaryGuard, canary: VersionStatistics, stable: VersionStatistics) {
    this.#guard = guard;
    this.#canary = canary;
    this.#stable = stable;
    this.#outcomes = new Uint8Array(guard.requests);
    this.#lookAt = guard.requests;
  }

  /** Whether run times and scores are to be looked at, see `look`. */
  get isLookDue(): boolean {
    return this.#seen >= this.#lookAt;
  }

  /** Takes the outcome of a request that the canary's statistics have counted; gives why too many failed, if so. */
  take(failed: boolean): string | undefined {
    const { requests } = this.#guard;
    const at = this.#seen++ % requests;
    this.#failed += Number(failed) - this.#outcomes[at]!;
    this.#outcomes[at] = Number(failed);
    return failed ? this.#failing() : undefined;
  }

  /** Looks at run times and scores; gives why the canary has to end, if so. */
  look(): string | undefined {
    this.#lookAt = this.#seen + Math.max(LOOK_REQUESTS_MIN, Math.ceil(this.#guard.requests / LOOKS_PER_RING));
    return this.#slow() ?? this.#drifted();
  }

  #failing(): string | undefined {
    const { errorRate, requests } = this.#guard;
    if (errorRate === undefined || this.#failed <= errorRate * requests) return undefined;
    const seen = Math.min(this.#seen, requests);
    return `${this.#failed} of its latest ${seen} requests failed, more than error_rate ${errorRate} of ${requests} allows; the last: ${this.#canary.lastFailure ?? "unknown"}`;
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
    const [expected, actual] = [this.#stable.scores.sorted(), this.#canary.scores.sorted(requests)];
    const drift = scoreDrift(expected, actual);
    if (drift === undefined || drift.psi <= bound + psiNoise(expected.length, actual.length)) return undefined;
    return `its scores' stability index of ${drift.psi.toFixed(3)} against the stable version's is over psi ${bound}`;
  }
}

/**
 * What two samples of one distribution pass once in a hundred: over ten bins the index times n·m/(n + m) is distributed as
 * χ² with nine degrees of freedom. Yurdakul, Statistical properties of the population stability index, 2018, 3.2.
 */
function psiNoise(n: number, m: number): number {
  return 21.67 * (1 / n + 1 / m);
}
