import { expect, test } from "vitest";
import { SERVED_LOG_SETTINGS } from "./served-log.ts";

test("shares are from 0 to 1, both ends among them, from the environment's text too", () => {
  for (const setting of [SERVED_LOG_SETTINGS.servedLogShare, SERVED_LOG_SETTINGS.servedParityMaxMismatch]) {
    expect(["0", "0.25", "1", 0, 0.5, 1].map(setting.read)).toEqual([0, 0.25, 1, 0, 0.5, 1]);
    expect(["1.01", "-1", "much", -0.1, 2, Number.NaN, null].map(setting.read)).toEqual(Array(7).fill(undefined));
  }
});

test("a file of the log stays readable: its entities are bounded", () => {
  const { read } = SERVED_LOG_SETTINGS.servedLogBatchRows;
  expect([1, 100_000, "100000"].map(read)).toEqual([1, 100_000, 100_000]);
  expect([0, 100_001, 1_000_000].map(read)).toEqual(Array(3).fill(undefined));
});

test("the log is a folder or in S3; another store is refused before anything is served", () => {
  const { read } = SERVED_LOG_SETTINGS.servedLog;
  const taken = ["served", "/var/log/served", "s3://bucket/served", "S3://bucket", "file:///tmp/served", "C:served"];
  expect(taken.map(read)).toEqual(taken);
  expect(["gs://bucket", "s3a://bucket", "https://host/x", ""].map(read)).toEqual(Array(4).fill(undefined));
});
