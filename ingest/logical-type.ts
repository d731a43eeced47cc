/**
 * What a schema can say of a value beyond its bytes: that a number is a time of some unit, or bytes are a decimal.
 * Avro calls these logical types; Kafka Connect and Debezium give them names of their own, in Avro and in JSON alike.
 *
 * A value that is one becomes an EventTime, a TimeOfDay or a Decimal, so that it keeps its meaning and every digit until the view
 * says what it wants. So a topic is parsed once, whatever the zones and types of the views that read it.
 *
 * https://avro.apache.org/docs/1.12.0/specification/#logical-types,
 * https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-temporal-types
 */

import { canonicalInteger } from "../features/field.ts";
import type { TimestampUnit } from "../features/source.ts";

/** A time whose unit was declared by the event's schema. */
export class EventTime {
  /** µs since the epoch, or on the wall clock of the source's zone. */
  readonly us: number | bigint;
  /** True for a wall clock's time. */
  readonly isLocal: boolean;

  constructor(us: number | bigint, isLocal: boolean) {
    this.us = us;
    this.isLocal = isLocal;
  }
}

/** A time on no day: it counts from a midnight, so it is no timestamp, but its number may be a feature. */
export class TimeOfDay {
  /** In the unit of its schema. */
  readonly count: number | bigint;

  constructor(count: number | bigint) {
    this.count = count;
  }
}

/** An exact decimal: unscaled × 10^−scale. */
export class Decimal {
  readonly unscaled: bigint;
  readonly scale: number;

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }

  /** The nearest double, as of a decimal literal. */
  toNumber(): number {
    return Number(this.toString());
  }

  /** "1234e-2" */
  toString(): string {
    return `${this.unscaled}e${-this.scale}`;
  }
}

/** Makes a value what its schema says it is; one that can't be that is handed back as it is. */
export type ReadLogical = (value: unknown) => unknown;

/** The reading of a logical type or of a Connect schema's name; undefined where the value is just what it is. */
export function compileReadLogical(
  name: string | undefined,
  parameters: Readonly<Record<string, unknown>> | undefined,
): ReadLogical | undefined {
  if (name === undefined) return undefined;
  if (name === "decimal" || name === "org.apache.kafka.connect.data.Decimal") {
    const scale = Number(parameters?.scale ?? 0);
    return (value) => decimalOf(value, scale);
  }
  return Object.hasOwn(LOGICAL, name) ? LOGICAL[name] : undefined;
}

/** A whole number of a unit as µs, floored; undefined when it is no whole number. Exact whatever its size. */
export function toMicroseconds(value: unknown, unit: TimestampUnit): number | bigint | undefined {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) return undefined;
    // Not floor(value / 1000): the quotient of a large one may round up.
    if (unit === "ns") return (value - (((value % 1_000) + 1_000) % 1_000)) / 1_000;
    const us = value * FACTOR[unit];
    return Number.isSafeInteger(us) ? us + 0 : BigInt(value) * BigInt(FACTOR[unit]);
  }
  if (typeof value !== "bigint") return undefined;
  if (unit === "ns") return canonicalInteger((value - (((value % 1_000n) + 1_000n) % 1_000n)) / 1_000n);
  return canonicalInteger(value * BigInt(FACTOR[unit]));
}

const FACTOR = Object.freeze({ s: 1_000_000, ms: 1_000, us: 1 });
const DAY_SECONDS = 86_400;

function time(unit: TimestampUnit, isLocal: boolean): ReadLogical {
  return (value) => {
    const us = toMicroseconds(value, unit);
    return us === undefined ? value : new EventTime(us, isLocal);
  };
}

/** A day begins at midnight of the source's zone. */
const day: ReadLogical = (value) =>
  typeof value === "number" && Number.isSafeInteger(value) ? time("s", true)(value * DAY_SECONDS) : value;

const timeOfDay: ReadLogical = (value) =>
  typeof value === "number" || typeof value === "bigint" ? new TimeOfDay(value) : value;

const LOGICAL: Readonly<Record<string, ReadLogical>> = {
  "timestamp-millis": time("ms", false),
  "timestamp-micros": time("us", false),
  "timestamp-nanos": time("ns", false),
  "local-timestamp-millis": time("ms", true),
  "local-timestamp-micros": time("us", true),
  "local-timestamp-nanos": time("ns", true),
  date: day,
  "time-millis": timeOfDay,
  "time-micros": timeOfDay,
  "org.apache.kafka.connect.data.Timestamp": time("ms", false),
  "org.apache.kafka.connect.data.Date": day,
  "org.apache.kafka.connect.data.Time": timeOfDay,
  // Debezium's numbers are of columns without a zone; those with one come as text.
  "io.debezium.time.Timestamp": time("ms", true),
  "io.debezium.time.MicroTimestamp": time("us", true),
  "io.debezium.time.NanoTimestamp": time("ns", true),
  "io.debezium.time.Date": day,
  "io.debezium.time.Time": timeOfDay,
  "io.debezium.time.MicroTime": timeOfDay,
  "io.debezium.time.NanoTime": timeOfDay,
  "io.debezium.data.VariableScaleDecimal": (value) => {
    const { scale, value: unscaled } = (value ?? {}) as { readonly scale?: unknown; readonly value?: unknown };
    return typeof scale === "number" ? decimalOf(unscaled, scale) : value;
  },
};

/** Big-endian two's complement, in JSON as base64. */
function decimalOf(value: unknown, scale: number): unknown {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : value;
  if (!(bytes instanceof Uint8Array)) return value;
  if (bytes.length === 0) return new Decimal(0n, scale);
  const magnitude = BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`);
  return new Decimal(BigInt.asIntN(bytes.length * 8, magnitude), scale);
}
