import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bucketOf, formatTraffic, isInShare, parseTraffic } from "./traffic.ts";

const parse = (text: string) => parseTraffic(text, "churn/traffic.json");

describe("a traffic file", () => {
  test("says which version is stable, the canary's share and the shadows, and can be written back", () => {
    const guard = { requests: 500, errorRate: 0.02, latencyRatio: undefined, psi: 0.25 };
    const traffic = parse(
      '{"stable":3,"canary":{"version":4,"percent":12.5,"guard":{"requests":500,"error_rate":0.02,"psi":0.25}},"shadow":[5],"previous":2}',
    );
    expect(traffic).toEqual({ stable: 3, canary: { version: 4, percent: 12.5, guard }, shadow: [5], previous: 2 });
    expect(parse(formatTraffic(traffic))).toEqual(traffic);
    const plain = parse('{"stable":1}');
    expect(plain).toEqual({ stable: 1, canary: undefined, shadow: [], previous: undefined });
    expect(formatTraffic(plain)).toBe('{\n  "stable": 1\n}\n');
  });

  test.each([
    ["{", /churn\/traffic\.json is not JSON/],
    ["[]", /is \[\]; it is an object of stable, canary, shadow/],
    ['{"stabel":1}', /has "stabel"/],
    ["{}", /stable is missing; a version is/],
    ['{"stable":"3"}', /stable is "3"/],
    ['{"stable":0}', /stable is 0/],
    ['{"stable":1,"canary":{"version":2}}', /canary\.percent is missing/],
    ['{"stable":1,"canary":{"version":2,"percent":101}}', /percent is 101/],
    ['{"stable":1,"canary":{"version":2,"percent":0.001}}', /two decimals/],
    ['{"stable":1,"shadow":[2,3,4,5,6]}', /at most 4 versions/],
    ['{"stable":1,"shadow":[1]}', /names version 1 twice/],
    ['{"stable":1,"canary":{"version":1,"percent":1}}', /names version 1 twice/],
    ['{"stable":1,"previous":1}', /previous is 1, which is stable/],
    ['{"stable":1,"canary":{"version":2,"percent":1,"guard":{"psi":0.2}}}', /guard\.requests is missing/],
    ['{"stable":1,"canary":{"version":2,"percent":1,"guard":{"requests":100}}}', /guard has no bound/],
    ['{"stable":1,"canary":{"version":2,"percent":1,"guard":{"requests":100,"error_rate":2}}}', /error_rate is 2/],
  ])("%s is refused", (text, message) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "TRAFFIC_INVALID" }));
    expect(() => parse(text)).toThrow(message);
  });
});

describe("an entity's bucket", () => {
  test("is always the same, and another for another model", () => {
    expect(bucketOf("churn", "customer_id=17")).toBe(bucketOf("churn", "customer_id=17"));
    // Written down, so that a change of the hash, which would move entities between versions, is seen.
    expect([1, 2, 17].map((id) => bucketOf("churn", `customer_id=${id}`))).toEqual([1_459, 1_389, 7_123]);
    const same = Array.from({ length: 1_000 }, (_, id) => `customer_id=${id}`).filter(
      (key) => bucketOf("churn", key) === bucketOf("fraud", key),
    );
    expect(same.length).toBeLessThan(5);
  });

  test("counting keys fill the buckets evenly: a canary of 1, 10 or 50 percent gets that share", () => {
    const keys = Array.from({ length: 100_000 }, (_, id) => `customer_id=${id}`);
    for (const percent of [1, 10, 50]) {
      const share = keys.filter((key) => isInShare("churn", key, percent)).length / keys.length;
      expect(Math.abs(share - percent / 100)).toBeLessThan(0.005);
    }
    expect(Math.max(...keys.map((key) => bucketOf("churn", key)))).toBe(9_999);
  });

  test("a share holds as many of the 10,000 buckets as its percentage says, to the last", () => {
    const keyOf = new Map<number, string>();
    for (let id = 0; keyOf.size < 10_000; id++) keyOf.set(bucketOf("churn", `k=${id}`), `k=${id}`);
    for (const percent of [0, 0.01, 0.07, 1.1, 33.33, 99.99, 100]) {
      const held = [...keyOf.values()].filter((key) => isInShare("churn", key, percent));
      expect(held).toHaveLength(Math.round(percent * 100));
    }
  });

  test("raising the percentage moves entities to the canary and none away from it", () => {
    const percent = fc.integer({ min: 0, max: 10_000 }).map((hundredths) => hundredths / 100);
    fc.assert(
      fc.property(fc.string(), percent, percent, (key, a, b) => {
        const [low, high] = [isInShare("churn", key, Math.min(a, b)), isInShare("churn", key, Math.max(a, b))];
        return !low || high;
      }),
    );
  });
});
