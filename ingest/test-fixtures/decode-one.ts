/** A topic that one view reads, decoded a record at a time. */

import { type Entity, entity, featureView, int64, kafkaSource } from "../../headgate.ts";
import { compileTopicDecoder, type DecodedEvent } from "../decode.ts";

export const NO_FEATURE = { unused: int64() };
export const customer = entity("customer", { joinKeys: { customer_id: int64() } });
export const RECORD_MS = 1_700_000_000_500;

type Options = Partial<Parameters<typeof kafkaSource>[0]>;
type Value = Buffer | string | object | null;

function bytesOf(value: Value): Buffer | null {
  if (value === null || Buffer.isBuffer(value)) return value;
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
}

export const recordOf = (value: Value, key: Value = null) => ({
  offset: 42n,
  timestampMs: RECORD_MS,
  key: bytesOf(key),
  value: bytesOf(value),
  headers: [],
});

export function compileOne(
  schema: Parameters<typeof featureView>[1]["schema"],
  options: Options = {},
  entities: readonly Entity[] = [customer],
) {
  const source = kafkaSource({ topic: "orders", timestampField: "event_ts", ...options });
  const view = featureView("orders", { entities, schema, stream: source });
  const decoder = compileTopicDecoder([{ view, source }], undefined);
  return (value: Value, key?: Value) => (decoder.decode(recordOf(value, key)) as readonly DecodedEvent[])[0]!;
}

export const rowOf = (decoded: DecodedEvent) => ("row" in decoded ? decoded.row : decoded);
export const refusalOf = (decoded: DecodedEvent) => ("refused" in decoded ? decoded.refused : decoded);
