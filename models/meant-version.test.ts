import { describe, expect, test } from "vitest";
import { canary, promote, rollback, shadow, type TrafficChange } from "./deploy-traffic.ts";
import type { TrafficNow } from "./meant-version.ts";
import { checkGuard, checkTraffic, trafficJson } from "./traffic.ts";

/** What the traffic of versions 1 to 5 becomes, or why it does not. */
function changed(change: TrafficChange, traffic: object | undefined): unknown {
  try {
    return trafficJson(change.next(nowOf(traffic)));
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

function nowOf(traffic: object | undefined): TrafficNow {
  return {
    ...{ model: "m", versions: [5, 4, 3, 2, 1], etag: undefined },
    traffic: traffic && checkTraffic(traffic, "it"),
    stable: (traffic as { stable: number } | undefined)?.stable ?? 5,
  };
}

const unclear = (why: string) => `Which version of model "m" is meant is not clear: ${why}. Name one.`;
const toCanary = canary(undefined, 20, undefined);
const toShadow = shadow(undefined, true);
const noShadow = shadow(undefined, false);

test("the newest is meant, as promote means it", () => {
  expect(changed(promote(undefined), { stable: 1 })).toEqual({ stable: 5, previous: 1 });
  expect(changed(toCanary, { stable: 1 })).toEqual({ stable: 1, canary: { version: 5, percent: 20 } });
  expect(changed(toShadow, { stable: 1 })).toEqual({ stable: 1, shadow: [5] });
  expect(changed(toShadow, { stable: 1, shadow: [3] })).toEqual({ stable: 1, shadow: [3, 5] });
  expect(changed(toShadow, { stable: 1, shadow: [5] })).toEqual({ stable: 1, shadow: [5] });
  expect(changed(toCanary, { stable: 1, shadow: [5] })).toEqual({ stable: 1, canary: { version: 5, percent: 20 } });
});

test("the canary gets its new share, unless a newer version may be meant", () => {
  const canaryOf = (version: number) => ({ version, percent: 10 });
  expect(changed(toCanary, { stable: 1, canary: canaryOf(5) })).toMatchObject({ canary: { version: 5, percent: 20 } });
  expect(changed(toCanary, { stable: 5, canary: canaryOf(4) })).toMatchObject({ canary: { version: 4, percent: 20 } });
  expect(changed(toCanary, { stable: 1, canary: canaryOf(4), shadow: [5] })).toMatchObject({
    ...{ canary: { version: 4, percent: 20 }, shadow: [5] },
  });
  expect(changed(toCanary, { stable: 1, canary: canaryOf(4) })).toBe(
    unclear("version 4 is the canary and version 5 is newer"),
  );
  expect(changed(toShadow, { stable: 1, canary: canaryOf(5) })).toBe(
    unclear("version 5, the newest, is the canary already"),
  );
});

test("a new share leaves the canary its guard, unless one comes with it; another version has none", () => {
  const guarded = (guard: object) => ({ stable: 1, canary: { version: 5, percent: 10, guard } });
  const [guard, other] = [
    { requests: 500, psi: 0.2 },
    { requests: 20, error_rate: 0.02 },
  ];
  expect(changed(toCanary, guarded(guard))).toEqual({ stable: 1, canary: { version: 5, percent: 20, guard } });
  expect(changed(canary(5, 20, undefined), guarded(guard))).toMatchObject({ canary: { version: 5, guard } });
  expect(changed(canary(5, 10, checkGuard(other, "it")), guarded(guard))).toEqual(guarded(other));
  expect(changed(canary(4, 20, undefined), guarded(guard))).toEqual({ stable: 1, canary: { version: 4, percent: 20 } });
});

test("the newest is not meant where it is stable already", () => {
  for (const traffic of [{ stable: 5 }, undefined]) {
    for (const change of [toCanary, toShadow]) {
      expect(changed(change, traffic)).toBe(unclear("version 5, the newest, is stable already"));
    }
  }
});

test("the newest is not meant where it was rolled back from, until there is a newer one", () => {
  for (const change of [toCanary, toShadow]) {
    expect(changed(change, { stable: 4, previous: 5 })).toBe(
      unclear("version 5, the newest, is what was rolled back from"),
    );
  }
  expect(changed(canary(5, 20, undefined), { stable: 4, previous: 5 })).toMatchObject({ canary: { version: 5 } });
  expect(changed(toCanary, { stable: 3, previous: 4 })).toMatchObject({ canary: { version: 5 } });
});

test("the only shadow is meant where one is taken out", () => {
  expect(changed(noShadow, { stable: 1, shadow: [3] })).toEqual({ stable: 1 });
  expect(changed(noShadow, { stable: 1 })).toBe('Model "m" has no shadow that could be taken out.');
  expect(changed(noShadow, { stable: 1, shadow: [3, 5] })).toBe(unclear("versions 3, 5 are shadows"));
});

test("what was rolled back from is promoted again only by its name", () => {
  const back = { stable: 4, previous: 5 };
  expect(changed(promote(undefined), back)).toBe(unclear("version 5, the newest, is what was rolled back from"));
  expect(changed(promote(5), back)).toEqual({ stable: 5, previous: 4 });
  expect(changed(promote(undefined), { ...back, canary: { version: 5, percent: 10 } })).toMatchObject({ stable: 5 });
  expect(changed(promote(undefined), { stable: 5, previous: 4 })).toEqual({ stable: 5, previous: 4 });
});

describe("versions that the file names and that are not there", () => {
  const gone = { version: 55, percent: 50 };

  test("are left out of what a change leaves as it is", () => {
    const traffic = { stable: 1, canary: gone, shadow: [66, 3], previous: 77 };
    expect(changed(promote(2), traffic)).toEqual({ stable: 2, shadow: [3], previous: 1 });
    expect(changed(promote(1), traffic)).toEqual({ stable: 1, shadow: [3] });
    expect(changed(canary(5, 20, undefined), traffic)).toEqual({
      ...{ stable: 1, canary: { version: 5, percent: 20 }, shadow: [3] },
    });
    expect(changed(shadow(4, true), traffic)).toEqual({ stable: 1, shadow: [3, 4] });
    expect(changed(shadow(3, false), traffic)).toEqual({ stable: 1 });
    expect(changed(shadow(66, false), traffic)).toEqual({ stable: 1, shadow: [3] });
    expect(changed(noShadow, { stable: 1, shadow: [66] })).toEqual({ stable: 1 });
  });

  test("end by a rollback, which moves nothing else", () => {
    expect(changed(rollback(), { stable: 3, canary: gone, previous: 2 })).toEqual({ stable: 3, previous: 2 });
    // The version below is the one before where that is not known any more, and then it has to load.
    const traffic = { stable: 3, previous: 77 };
    expect(changed(rollback(), traffic)).toEqual({ stable: 2, previous: 3 });
    expect(rollback().isReturn!(nowOf(traffic))).toBe(false);
  });

  test("are not stable: another has to be, by a promotion or a rollback", () => {
    const traffic = { stable: 99, shadow: [3], previous: 2 };
    expect(changed(promote(1), traffic)).toEqual({ stable: 1, shadow: [3], previous: 2 });
    expect(changed(promote(undefined), traffic)).toMatchObject({ stable: 5 });
    expect(changed(rollback(), traffic)).toEqual({ stable: 2, shadow: [3] });
    expect(changed(rollback(), { stable: 99 })).toEqual({ stable: 5 });
    const shared = { stable: 99, canary: { version: 5, percent: 1 } };
    expect(changed(rollback(), { ...shared, previous: 2 })).toEqual({ stable: 2 });
    expect(rollback().isReturn!(nowOf(shared))).toBe(false);
    // The canary is what is wrong, so it is not the version to go back to; and a version below was not rolled back from.
    expect(changed(rollback(), { stable: 99, canary: { version: 5, percent: 10 } })).toEqual({ stable: 4 });
    expect(changed(promote(undefined), { stable: 99, previous: 5 })).toEqual({ stable: 5 });
    const refused =
      'm/traffic.json: stable is version 99, which is not there; "headgate models promote m <version>" puts another in its place.';
    for (const change of [canary(5, 20, undefined), toCanary, toShadow, shadow(3, false)]) {
      expect(changed(change, traffic)).toBe(refused);
    }
  });

  test("are not guessed around where no version is named", () => {
    const traffic = { stable: 1, canary: gone };
    for (const change of [toCanary, promote(undefined)]) {
      expect(changed(change, traffic)).toBe(unclear("version 55 is the canary and is not there any more"));
    }
  });
});
