import { expect, test } from "vitest";
import { wantedVersions } from "./model-versions.ts";
import { parseTraffic } from "./traffic.ts";

test("wanted are those with a part in the traffic and the newest above stable", () => {
  const wanted = (traffic: object, ready: number) => [
    ...wantedVersions(parseTraffic(JSON.stringify(traffic), "t"), [9, 8, 7, 6, 5, 4, 3, 2, 1], ready),
  ];
  expect(wanted({ stable: 4 }, 2)).toEqual([4, 9, 8]);
  expect(wanted({ stable: 4 }, 0)).toEqual([4]);
  expect(wanted({ stable: 9, previous: 2 }, 3)).toEqual([9, 2]);
  expect(wanted({ stable: 5, canary: { version: 9, percent: 1 }, shadow: [3], previous: 4 }, 2)).toEqual([
    5, 9, 4, 8, 3,
  ]);
});
