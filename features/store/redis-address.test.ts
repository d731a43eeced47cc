import { describe, expect, it } from "vitest";
import { parseRedisAddress } from "./redis-address.ts";

describe("parseRedisAddress", () => {
  it.each([
    [
      "redis://localhost",
      { shape: "standalone", hosts: [{ host: "localhost", port: 6379 }], database: 0, isTls: false },
    ],
    ["rediss://10.0.0.1:6380/3", { hosts: [{ host: "10.0.0.1", port: 6380 }], database: 3, isTls: true }],
    ["REDIS://[::1]:7000/", { hosts: [{ host: "::1", port: 7000 }], database: 0 }],
    ["redis://app:p%40%2Fss@h", { username: "app", password: "p@/ss", shown: "redis://h" }],
    ["redis://:s3cret@h/1", { username: undefined, password: "s3cret", shown: "redis://h/1" }],
    ["rediss://h?ca=/etc/ca%20.crt", { caFile: "/etc/ca .crt", shown: "rediss://h" }],
    [
      "redis+sentinel://:p@a:1,b/main/2?sentinelPassword=q",
      {
        shape: "sentinel",
        hosts: [
          { host: "a", port: 1 },
          { host: "b", port: 26_379 },
        ],
        masterName: "main",
        database: 2,
        sentinelPassword: "q",
        shown: "redis+sentinel://a:1,b/main/2",
      },
    ],
    ["rediss+cluster://a,b:7001", { shape: "cluster", isTls: true, shown: "rediss+cluster://a,b:7001" }],
  ])("reads %s", (url, expected) => {
    expect(parseRedisAddress(url)).toMatchObject(expected);
  });

  it.each([
    ["redis:", "is not understood"],
    ["redis://", "names no host"],
    ["redis://u:s3cret@", "names no host"],
    ["redis://u:s3cret/x@h", "host or port"],
    ["redis://h:0", "host or port"],
    ["redis://h:99999", "host or port"],
    ["redis://a,b", "several hosts"],
    ["redis://h/main", "database's number"],
    ["redis://h/1/2", "database's number"],
    ["redis://u:100%@h", "percent-encoding"],
    ["redis://h?s3cret=1", "unknown query"],
    ["redis://h?sentinelPassword=s3cret", "unknown query"],
    ["redis+sentinel://h", "names no master"],
    ["redis+cluster://h/1", "only one"],
    ["redis+other://h", "is not understood"],
  ])("refuses %s", (url, said) => {
    expect(() => parseRedisAddress(url)).toThrow(expect.objectContaining({ code: "STORE_URL_INVALID" }));
    expect(() => parseRedisAddress(url)).toThrow(said);
  });

  it("shows nothing that could be a password", () => {
    for (const url of [
      "redis://u:s3cret@h:x",
      "redis://u:s3cret/x@h",
      "redis://s3cret%@h",
      "redis://u:s3cret",
      "redis:u:s3cret@h",
    ]) {
      expect(() => parseRedisAddress(url)).toThrow(/^(?!.*s3cret)/);
    }
  });
});
