/**
 * Open-loop latency against the floor's, in one run: at half of what the floor can do, and over a range of rates for the
 * picture. The rates come from floor (a)'s own capacity, measured first by a closed loop, so they mean the same on every
 * machine.
 */

import type { Arrivals } from "./arrivals.ts";
import { endingAll } from "./ends.ts";
import { lineChart } from "./line-chart.ts";
import { type LoadGenerator, type OpenLoadResult, startLoadGenerator } from "./load.ts";
import { CUSTOMERS, type PredictionServer, startPredictionServers } from "./prediction-servers.ts";
import { canPin } from "./process-cpu.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { capacityOf, figureOf, measureRound, type RoundsOptions, ratioOf } from "./rounds.ts";
import type { ServerUnderTest } from "./server-under-test.ts";

/** How to measure. */
export interface OpenLoopOptions extends RoundsOptions {
  readonly arrivals: Arrivals;
}

const NAMES: readonly PredictionServer[] = ["alone", "together", "memory", "redis"];
const SHOWN: Readonly<Record<PredictionServer, string>> = {
  alone: "floor (a)",
  together: "floor (b)",
  memory: "from memory",
  redis: "from Redis",
};
/** The rate that the bars are of, as a share of floor (a)'s capacity. */
const BAR_SHARE = 0.5;
/** Rates for the picture. */
const PICTURE = Object.freeze({ shares: [0.1, 0.25, 0.4, 0.6, 0.7, 0.8], seconds: 1, rounds: 3 });
const WARM_UP_SECONDS = 0.5;
/** Requests under way at most: 17 ms of a server that stands still at 15,000 a second. */
const MAX_IN_FLIGHT = 256;
/**
 * A round in which the generator sent later than this, 99th percentile, tells of the generator and is made again, ms. So is
 * one in which the floor missed so many at half of its capacity that there is nothing to compare with.
 */
const SEND_LAG_MAX_MS = 1;
/** Rounds at most, as a multiple of those wanted. */
const TRIES = 3;
/** Of the closed loops that tell floor (a)'s capacity. */
const CAPACITY = Object.freeze({ connections: 64, seconds: 2, rounds: 3 });

type Servers = Readonly<Record<PredictionServer, ServerUnderTest>>;
type Round = Readonly<Record<PredictionServer, OpenLoadResult>>;

interface Rate {
  readonly share: number;
  readonly perSecond: number;
  readonly rounds: Round[];
  /** Rounds that are not counted. */
  readonly unfair: Round[];
}

/** Runs the bench on a Redis of its own. */
export function benchOpenLoop(options: OpenLoopOptions): Promise<BenchResult> {
  const { tell } = options;
  if (!canPin) tell("Server and load generator share cores here: the generator spins, so latencies mean little.");
  return endingAll(async (keep) => {
    const { servers } = await startPredictionServers(keep);
    const generator = await keep(startLoadGenerator());
    const { connections, rounds, seconds } = CAPACITY;
    const closed = { ...load, connections, seconds };
    for (const name of NAMES) await generator.run(servers[name], { ...closed, seed: 0 });
    const capacity = await capacityOf(generator, servers.alone, closed, rounds);
    tell(`floor (a) answers ${Math.round(capacity)} requests/s in a closed loop of ${connections} connections`);
    const rateOf = (share: number): Rate => ({ share, perSecond: share * capacity, rounds: [], unfair: [] });
    const bar = rateOf(BAR_SHARE);
    const picture = PICTURE.shares.map(rateOf);
    await measure(servers, generator, options, [bar], options);
    await measure(servers, generator, options, picture, PICTURE);
    const ascending = [bar, ...picture].sort((one, other) => one.share - other.share);
    return summarize(ascending, capacity, options);
  });
}

const load = { form: "predict", entities: 1, ids: "uniform", idCount: CUSTOMERS } as const;

async function measure(
  servers: Servers,
  generator: LoadGenerator,
  { arrivals, tell }: OpenLoopOptions,
  rates: readonly Rate[],
  { seconds, rounds }: { readonly seconds: number; readonly rounds: number },
): Promise<void> {
  const job = { ...load, arrivals, seconds, warmUpSeconds: WARM_UP_SECONDS, maxInFlight: MAX_IN_FLIGHT };
  for (const rate of rates) {
    for (let round = 0; rate.rounds.length < rounds && round < TRIES * rounds; round++) {
      const rateJob = { ...job, perSecond: rate.perSecond, seed: 1 + round };
      const results = await measureRound(NAMES, round, (name) => generator.runOpen(servers[name], rateJob));
      (isFair(results, rate.share) ? rate.rounds : rate.unfair).push(results);
    }
    const { length } = rate.unfair;
    const unfair = length === 0 ? "" : `, ${length} more in which the generator was late or the floor lost requests`;
    tell(
      `${Math.round(rate.perSecond)} requests/s: ${rate.rounds.length} rounds of ${NAMES.length} × ${seconds} s${unfair}`,
    );
  }
}

function isFair(round: Round, share: number): boolean {
  const isOnTime = NAMES.every((name) => round[name].sendLagP99Ms <= SEND_LAG_MAX_MS);
  return isOnTime && (share > BAR_SHARE || Number.isFinite(round.alone.p999Ms));
}

type Figure = "p50Ms" | "p99Ms" | "p999Ms" | "maxMs" | "cpuMicrosPerRequest" | "sendLagP99Ms" | "othersShare";

const median = ({ rounds }: Rate, name: PredictionServer, figure: Figure) => figureOf(rounds, name, figure)?.median;

function summarize(rates: readonly Rate[], capacity: number, { arrivals, tell }: OpenLoopOptions): BenchResult {
  tell(`\n${rateTable(rates)}\n`);
  const bar = rates.find(({ share }) => share === BAR_SHARE)!;
  const ratio = (name: PredictionServer, figure: Figure) => ratioOf(bar.rounds, name, "alone", figure);
  const points = (name: PredictionServer, figure: Figure) =>
    rates
      .filter(({ rounds }) => rounds.length > 0)
      .map((rate) => ({ x: rate.perSecond / 1_000, y: median(rate, name, figure)! }));
  return {
    figures: { pinned: canPin, arrivals, customers: CUSTOMERS, maxInFlight: MAX_IN_FLIGHT, capacity, rates },
    bars: [
      atMost("p99 over floor (a)'s at half its capacity, from memory", ratio("memory", "p99Ms"), "×", 2),
      atMost("p99 over floor (a)'s, from Redis", ratio("redis", "p99Ms"), "×", 2),
      atMost("p99.9 over floor (a)'s, from memory", ratio("memory", "p999Ms"), "×", 4),
      atMost("p99.9 over floor (a)'s, from Redis", ratio("redis", "p999Ms"), "×", 4),
    ],
    charts:
      bar.rounds.length === 0
        ? {}
        : {
            "latency-by-rate.svg": lineChart({
              title: "Latency against rate, open loop",
              subtitle: `${arrivals === "constant" ? "Constant rate" : "Poisson arrivals"}, 1 entity a request, one core; solid p50, dashed p99`,
              x: { title: "thousand requests/s" },
              y: { title: "latency from the intended time, ms", isLogarithmic: true },
              lines: (["alone", "memory", "redis"] as const).flatMap((name, i) => [
                { label: SHOWN[name], color: i, points: points(name, "p50Ms") },
                { label: "", color: i, isDashed: true, points: points(name, "p99Ms") },
              ]),
            }),
          },
  };
}

function rateTable(rates: readonly Rate[]): string {
  const number = (value: number | undefined, digits: number) =>
    value === undefined ? "–" : Number.isFinite(value) ? value.toFixed(digits) : "∞";
  const rows = rates.flatMap((rate) =>
    NAMES.map((name) => [
      `${Math.round(rate.perSecond)}/s (${rate.share} of the floor), ${SHOWN[name]}`,
      number(median(rate, name, "p50Ms"), 2),
      number(median(rate, name, "p99Ms"), 2),
      number(median(rate, name, "p999Ms"), 2),
      number(median(rate, name, "sendLagP99Ms"), 2),
      String(rate.rounds.reduce((sum, round) => sum + round[name].missed, 0)),
      String(rate.rounds.reduce((sum, round) => sum + round[name].refused, 0)),
      number(median(rate, name, "cpuMicrosPerRequest"), 1),
      number(median(rate, name, "othersShare"), 2),
    ]),
  );
  const heading = [
    "",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "sent late p99",
    "missed",
    "refused",
    "CPU µs/request",
    "others' share",
  ];
  return textTable(heading, rows);
}
