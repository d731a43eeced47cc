/**
 * What a deployment of a given size takes, worked out from figures that the benches measured: the formulae of the
 * section "Sizing" in docs/operating.md, whose tables a test holds against these. Pure arithmetic; nothing is rounded
 * before the end.
 */

import { cheHitRatio } from "./hit-ratio.ts";

/** Measured figures: bench/README.md says where each is from. */
export interface MeasuredCosts {
  /** CPU of a gateway for a prediction answered from memory, µs. */
  readonly memoryMicros: number;
  /** The same with the row read from Redis. */
  readonly redisMicros: number;
  /** CPU of Redis for a call that brings one row, µs. */
  readonly redisServerMicros: number;
  /** Memory of Redis for an entity, bytes. */
  readonly redisEntityBytes: number;
  /** Memory of a gateway for a kept entity, bytes. */
  readonly keptEntityBytes: number;
  /** Of a request and of its answer, bytes with their headers. */
  readonly requestBytes: number;
  readonly answerBytes: number;
  /** Of a read of one row to Redis and back, bytes. */
  readonly rowBytes: number;
}

/** What is wanted. */
export interface Demand {
  readonly predictionsPerSecond: number;
  readonly entities: number;
  /** Of Zipf's law. */
  readonly exponent: number;
  /** `cacheBytes` of a gateway. */
  readonly cacheBytes: number;
}

/** How full things may be, and what they cost. */
export interface Allowances {
  /** Share of a core that may be busy: what is over is for bursts and for a process that is away. */
  readonly coreShare: number;
  /** Memory of a Redis node, bytes, and the share of it that may be full. */
  readonly nodeBytes: number;
  readonly nodeShare: number;
  /** Copies of each master. */
  readonly replicas: number;
  /** Money for a core and for 2³⁰ bytes of a Redis node, an hour. */
  readonly coreHour: number;
  readonly gigabyteHour: number;
}

/** What it takes. */
export interface Sizing {
  readonly hitRatio: number;
  readonly gatewayCores: number;
  readonly redisMasters: number;
  readonly redisNodes: number;
  /** Of a master's one core. */
  readonly masterBusyShare: number;
  /** Bits a second, in and out of all gateways: users' side and Redis' side. */
  readonly userBitsPerSecond: number;
  readonly redisBitsPerSecond: number;
  readonly costPerMillion: number;
}

/** The figures of bench/README.md, one virtual machine of 2 cores. */
export const MEASURED: MeasuredCosts = Object.freeze({
  memoryMicros: 43.9,
  redisMicros: 59.3,
  redisServerMicros: 45.2,
  redisEntityBytes: 209,
  keptEntityBytes: 460,
  requestBytes: 157,
  answerBytes: 560,
  rowBytes: 197,
});

/** Prices as a round number of what clouds ask; put in your own. */
export const ALLOWANCES: Allowances = Object.freeze({
  coreShare: 0.5,
  nodeBytes: 64 * 2 ** 30,
  nodeShare: 0.6,
  replicas: 1,
  coreHour: 0.04,
  gigabyteHour: 0.005,
});

/** Works a demand out. */
export function sizing(demand: Demand, measured: MeasuredCosts = MEASURED, allowed: Allowances = ALLOWANCES): Sizing {
  const { predictionsPerSecond, entities, exponent, cacheBytes } = demand;
  const hitRatio = cheHitRatio({ count: entities, exponent }, Math.floor(cacheBytes / measured.keptEntityBytes));
  const reads = predictionsPerSecond * (1 - hitRatio);
  const micros = hitRatio * measured.memoryMicros + (1 - hitRatio) * measured.redisMicros;
  const gatewayCores = Math.ceil((predictionsPerSecond * micros) / 1e6 / allowed.coreShare);
  const redisCores = (reads * measured.redisServerMicros) / 1e6;
  const storeBytes = entities * measured.redisEntityBytes;
  const redisMasters = Math.max(
    Math.ceil(storeBytes / (allowed.nodeBytes * allowed.nodeShare)),
    Math.ceil(redisCores / allowed.coreShare),
  );
  const redisNodes = redisMasters * (1 + allowed.replicas);
  const hourly = gatewayCores * allowed.coreHour + redisNodes * (allowed.nodeBytes / 2 ** 30) * allowed.gigabyteHour;
  return {
    hitRatio,
    gatewayCores,
    redisMasters,
    redisNodes,
    masterBusyShare: redisCores / redisMasters,
    userBitsPerSecond: 8 * predictionsPerSecond * (measured.requestBytes + measured.answerBytes),
    redisBitsPerSecond: 8 * reads * measured.rowBytes,
    costPerMillion: hourly / ((predictionsPerSecond * 3_600) / 1e6),
  };
}

const MEBIBYTE = 2 ** 20;

/** The rows of the table in docs/operating.md: 10⁵ predictions/s over 10⁹ entities. */
export function sizingRows(): readonly (readonly string[])[] {
  const caches: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["256 MiB", 256 * MEBIBYTE],
    ["1 GiB", 1_024 * MEBIBYTE],
    ["2 GiB", 2_048 * MEBIBYTE],
  ];
  return [0.8, 1, 1.1].flatMap((exponent) =>
    caches.map(([shown, cacheBytes]) => {
      const of = sizing({ predictionsPerSecond: 1e5, entities: 1e9, exponent, cacheBytes });
      return [
        String(exponent),
        shown,
        `${(100 * of.hitRatio).toFixed(0)} %`,
        String(of.gatewayCores),
        `${of.redisMasters} + ${of.redisNodes - of.redisMasters}`,
        `${(100 * of.masterBusyShare).toFixed(0)} %`,
        `${(of.redisBitsPerSecond / 1e6).toFixed(0)} Mbit/s`,
        of.costPerMillion.toFixed(4),
      ];
    }),
  );
}
