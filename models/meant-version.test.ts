import { expect, test } from "vitest";
import { canary, promote, shadow, type TrafficChange } from "./deploy-traffic.ts";
import type { TrafficNow } from "./meant-version.ts";
import { checkTraffic, trafficJson } from "./traffic.ts";

/** What the traffic of versions 1 to 5 becomes, or why it does not. */
function after(change: TrafficChange, traffic: object | undefined): unknown {
  const now: TrafficNow = {
    ...{ model: "m", versions: [5, 4, 3, 2, 1], etag: undefined },
    traffic: traffic && checkTraffic(traffic, "it"),
    stable: (traffic as { stable: number } | undefined)?.stable ?? 5,
  };
  try {
    return trafficJson(change.next(now));
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

const unclear = (why: string) => `Which version of model "m" is meant is not clear: ${why}. Name one.`;
const toCanary = canary(undefined, 20, undefined);
const toShadow = shadow(undefined, true);
const noShadow = shadow(undefined, false);

test("the newest is meant, as promote means it", () => {
  expect(after(promote(undefined), { stable: 1 })).toEqual({ stable: 5, previous: 1 });
  expect(after(toCanary, { stable: 1 })).toEqual({ stable: 1, canary: { version: 5, percent: 20 } });
  expect(after(toShadow, { stable: 1 })).toEqual({ stable: 1, shadow: [5] });
  expect(after(toShadow, { stable: 1, shadow: [3] })).toEqual({ stable: 1, shadow: [3, 5] });
  expect(after(toShadow, { stable: 1, shadow: [5] })).toEqual({ stable: 1, shadow: [5] });
  expect(after(toCanary, { stable: 1, shadow: [5] })).toEqual({ stable: 1, canary: { version: 5, percent: 20 } });
});

test("the canary gets its new share, unless a newer version may be meant", () => {
  const canaryOf = (version: number) => ({ version, percent: 10 });
  expect(after(toCanary, { stable: 1, canary: canaryOf(5) })).toMatchObject({ canary: { version: 5, percent: 20 } });
  expect(after(toCanary, { stable: 5, canary: canaryOf(4) })).toMatchObject({ canary: { version: 4, percent: 20 } });
  expect(after(toCanary, { stable: 1, canary: canaryOf(4), shadow: [5] })).toMatchObject({
    ...{ canary: { version: 4, percent: 20 }, shadow: [5] },
  });
  expect(after(toCanary, { stable: 1, canary: canaryOf(4) })).toBe(
    unclear("version 4 is the canary and version 5 is newer"),
  );
  expect(after(toShadow, { stable: 1, canary: canaryOf(5) })).toBe(
    unclear("version 5, the newest, is the canary already"),
  );
});

test("the newest is not meant where it is stable already", () => {
  for (const traffic of [{ stable: 5 }, undefined]) {
    for (const change of [toCanary, toShadow]) {
      expect(after(change, traffic)).toBe(unclear("version 5, the newest, is stable already"));
    }
  }
});

test("the only shadow is meant where one is taken out", () => {
  expect(after(noShadow, { stable: 1, shadow: [3] })).toEqual({ stable: 1 });
  expect(after(noShadow, { stable: 1 })).toBe(unclear("there is no shadow"));
  expect(after(noShadow, { stable: 1, shadow: [3, 5] })).toBe(unclear("versions 3, 5 are shadows"));
});
