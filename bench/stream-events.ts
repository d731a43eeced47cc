/** Events of the churn example's view as the benches stream them: JSON of some 120 bytes. */

import { seededRandom } from "./statistics.ts";

/** An event's text; `eventTs` as it stands in JSON. Numbers are exact as float32. */
export function eventText(customerId: number, eventTs: string, random: () => number): string {
  const quarters = (bound: number) => Math.floor(random() * bound * 4) / 4;
  return `{"customer_id":${customerId},"orders_30d":${Math.floor(random() * 10)},"aov_30d":${quarters(100)},"returns_rate_30d":${quarters(1)},"time_since_last_d":${quarters(60)},"event_ts":${eventTs}}`;
}

/** Events of customers of six digits, each once, in an order of no meaning. */
export function eventTexts(count: number, eventMs: number): readonly string[] {
  const random = seededRandom(count);
  // 7,919 is a prime that divides no count used here.
  return Array.from({ length: count }, (_, i) => eventText(100_000 + ((i * 7_919) % count), String(eventMs), random));
}
