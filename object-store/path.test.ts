import { expect, test } from "vitest";
import { compileGlob, isParquetBelow, parseS3Path } from "./path.ts";

test.each([
  ["s3://bucket", "bucket", ""],
  ["s3://bucket/", "bucket", ""],
  ["S3://my.bucket-1/a b/%20+ü//c\n?", "my.bucket-1", "a b/%20+ü//c\n?"],
])("%j is bucket %j and key %j, nothing decoded", (path, bucket, key) => {
  expect(parseS3Path(path)).toEqual({ bucket, key });
});

test.each(["s3://", "s3://b", "s3:///key", "s3://buc*et/key", "s3://-bucket/key"])("%s names no bucket", (path) => {
  expect(() => parseS3Path(path)).toThrow(/names no bucket/);
});

test.each([
  ["dt=*/x.parquet", "", "dt="],
  ["a/b/dt=2026-*/x", "a/b/", "a/b/dt=2026-"],
  ["/*.parquet", "/", "/"],
  ["a/{b,c}/d", "a/", "a/"],
])("the fixed head of %s is %j, and what all matches begin with %j", (glob, head, prefix) => {
  expect(compileGlob(glob)).toMatchObject({ head, prefix });
});

test("a path without wildcards is no glob", () => expect(compileGlob("a/[b]/c!.parquet")).toBeUndefined());

test.each([
  ["*", ["a", "a.b", "ü", "d/x.parquet", "d/e/x.parquet"], ["d/x", "_a", ".a", "d/_x.parquet", "_d/x.parquet"]],
  ["?", ["a", "😀"], ["ab", ""]],
  ["a**b", ["ab", "axxb"], ["a/b"]],
  ["**/x", ["x", "a/x", "a/b/x"], ["ax", "a/_b/x", "x/y"]],
  ["**", ["a", "a/b", "a/b.parquet"], [".a/b"]],
  ["a*/**/{b,c}.csv", ["a/b.csv", "ax/y/z/c.csv"], ["a/d.csv", "b/b.csv"]],
  ["{a,b/c}/*.csv", ["a/x.csv", "b/c/x.csv"], ["b/x.csv", "{a,b/c}/x.csv"]],
  ["{a}*", ["{a}", "{a}b"], ["a"]],
  ["[ab]*(c)+$^|.\\", ["[ab](c)+$^|.\\", "[ab]x(c)+$^|.\\"], ["a(c)+$^|.\\"]],
])("%s stands for %j and not for %j", (glob, yes, no) => {
  const { matches } = compileGlob(glob)!;
  expect(yes.filter((name) => !matches(name))).toEqual([]);
  expect(no.filter(matches)).toEqual([]);
});

test("a folder stands for the Parquet files below it that no writer left behind", () => {
  const names = ["a.parquet", "d/a.parquet", "a.csv", "_a.parquet", "d/.a.parquet", "_tmp/a.parquet"];
  const partitions = [
    "_day=1/a.parquet",
    "d/_x=/y=2/a.parquet",
    "_a=1.parquet",
    "_tmp/_x=1/a.parquet",
    ".x=1/a.parquet",
  ];
  expect(names.filter(isParquetBelow)).toEqual(["a.parquet", "d/a.parquet"]);
  expect(partitions.filter(isParquetBelow)).toEqual(partitions.slice(0, 2));
  expect(compileGlob("_day=*/*.parquet")!.matches("_day=1/a.parquet")).toBe(true);
});
