import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readFeastRepo } from "./feast-repo.ts";
import { parseFeatureStoreYaml, type YamlMap, yamlInteger, yamlText } from "./feast-store-yaml.ts";
import { redisConnection } from "./redis-connection.ts";

const folder = mkdtempSync(join(tmpdir(), "headgate-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const parsed = (yaml: string, environment: NodeJS.ProcessEnv = {}) =>
  parseFeatureStoreYaml(yaml, environment, "/repo/feature_store.yaml");

test("every value is the text as written, with variables of the environment filled in", () => {
  const yaml = parsed(
    `# a comment
project: "a # b"   # another
registry:
    path: data/registry.db # and one
    'cache_ttl_seconds': 60
online_store: { type: redis, connection_string: "a:1,b:2" }
flags:
  - alpha
provider: local#1
empty: ''
offline_store:

  type: $OFFLINE
  other: \${MISSING}
  dashed: '\${A-B}'
auth:
number: 1.10
yes: y
`,
    { OFFLINE: "file", "A-B": "c" },
  );
  expect(yamlText(yaml, "project")).toBe("a # b");
  expect(yamlText(yaml, "registry", "path")).toBe("data/registry.db");
  expect(yamlText(yaml, "registry", "cache_ttl_seconds")).toBe("60");
  expect(yamlText(yaml, "online_store", "connection_string")).toBe("a:1,b:2");
  expect(yamlText(yaml, "provider")).toBe("local#1");
  expect(yamlText(yaml, "empty")).toBe("");
  expect(yamlText(yaml, "offline_store", "type")).toBe("file");
  expect(yamlText(yaml, "offline_store", "other")).toBe(["$", "{MISSING}"].join(""));
  expect(yamlText(yaml, "offline_store", "dashed")).toBe("c");
  expect(yamlText(yaml, "auth")).toBeUndefined();
  expect(yamlText(yaml, "number")).toBe("1.10");
  expect(yamlText(yaml, "yes")).toBe("y");
  expect(yamlText(yaml, "registry")).toBeUndefined();
  expect(yamlText(yaml, "project", "path")).toBeUndefined();
  expect(yamlText(yaml, "constructor")).toBeUndefined();
});

test("a variable that only every object has stays as it is written", () => {
  const braced = ["$", "{constructor}"].join("");
  const yaml = `a: $toString\nb: ${braced}\nc: $__proto__`;
  expect(parsed(yaml)).toEqual({ a: "$toString", b: braced, c: "$__proto__" });
});

test.each([
  ["604800", 604_800],
  ["0", 0],
  ["+5", 5],
  ["604_800", 604_800],
  ["'604_800'", 604_800],
  ["1_0.00", 10],
  ["5 # s", 5],
])("the whole number %s is %i, quoted or not", (text, number) => {
  expect(yamlInteger(parsed(`ttl: ${text}`), "ttl", 3, "/f")).toBe(number);
});

// Some are numbers in YAML 1.1 and none, or others, as quoted texts: octal, hexadecimal, of base 60.
test.each([
  ...["''", "' '", "_", "1_", "1__0", "-1", "5.5", "1e3", "1h", "$TTL", "true"].map((text) => [text]),
  ...["010", "0x10", "0b11", "1:30", "9007199254740993", "[2]", "{ a: 1 }", "~", ""].map((text) => [text]),
])("%j is no whole number, not another one", (text) => {
  expect(() => yamlInteger(parsed(`ttl: ${text}`), "ttl", 3, "/f")).toThrow(
    expect.objectContaining({ code: "SOURCE_UNSUPPORTED" }),
  );
});

test("a whole number that is not there is what Feast takes; a refusal names the file and what stands there", () => {
  expect(yamlInteger(parsed("a: 1"), "ttl", 3, "/f")).toBe(3);
  const told = (text: string) => () => yamlInteger(parsed(`ttl: ${text}`), "ttl", 3, "/repo/feature_store.yaml");
  expect(told("010")).toThrow('ttl in /repo/feature_store.yaml is "010"; write a whole number in decimal digits.');
  expect(told("[2]")).toThrow("ttl in /repo/feature_store.yaml is a list of 1;");
});

test("maps over lines, merged maps, and names that are there twice are read as Feast reads them", () => {
  expect(parsed("a: {\n  b: 1,\n  c: 2\n}")).toEqual({ a: { b: "1", c: "2" } });
  expect(parsed("a: &base { b: 1, c: 2 }\nd:\n  <<: *base\n  c: 3")).toMatchObject({ d: { b: "1", c: "3" } });
  expect(parsed("a: 1\na: 2")).toEqual({ a: "2" });
});

test.each([
  ["a:\n\tb: 1", "at line 2, column 1: Tabs are not allowed as indentation."],
  ["a: 1\nb: { c: 1,\n  d: 2", "at line 3, column 7: Flow map in block collection must"],
  ["a:\n  b: *c", "at line 2, column 6: Unresolved alias (the anchor must be set before the alias)."],
  ["a: &a\n  <<: *a\n  b: 1", "at line 2, column 7: Excessive alias count"],
  ["a:\n  <<: b", "is not understood as YAML: Merge sources must be maps"],
  ["a: 1\n---\nb: 2", "at line 2, column 1: Source contains multiple documents."],
])("%j is no YAML, and where is said", (yaml, sentence) => {
  const message = expect.stringMatching(/^\/repo\/feature_store\.yaml is not .* Mend it there, and import again\.$/);
  expect(() => parsed(yaml)).toThrow(expect.objectContaining({ code: "SOURCE_UNSUPPORTED", message }));
  expect(() => parsed(yaml)).toThrow(sentence);
});

test.each(["", "- a", "shop"])("%j is no map of settings", (yaml) => {
  expect(() => parsed(yaml)).toThrow("/repo/feature_store.yaml is no map of settings");
});

test("what stands where the YAML is wrong, as a password may, is not told", () => {
  const told = () => parsed("online_store: { type: redis } $REDIS", { REDIS: "hunter2" });
  expect(told).toThrow(
    "feature_store.yaml with its variables filled in is not understood as YAML at line 1, column 31",
  );
  expect(told).not.toThrow("hunter2");
  const escaped = () => parsed(String.raw`password: "a\Uhunter22"`);
  expect(escaped).toThrow("at line 1, column 13: Invalid escape sequence.");
});

test.each([
  [{}, "redis://localhost:6379", false],
  [{ connection_string: "r:1,db=2,ssl=true,password=x" }, "rediss://r:1/2", true],
  [{ redis_type: "redis_cluster", connection_string: "a:1,b:2,ssl=true" }, "rediss+cluster://a:1,b:2", false],
  [
    { redis_type: "redis_sentinel", connection_string: "a:1,b:2", sentinel_master: "m" },
    "redis+sentinel://a:1,b:2/m",
    false,
  ],
])("the connection %o is %s", (store, address, hasLogin) => {
  expect(redisConnection(store)).toEqual({ address, hasLogin, dropped: [] });
});

test("quotes within quotes are what YAML says", () => {
  const yaml = parsed(`a: 'it''s' # one\nb: "say \\"x\\" \\\\ y"\nc: { d: 'a''b, c', e: "f, \\"g" }\n'h''i': 1\n`);
  expect(yaml).toEqual({ a: "it's", b: 'say "x" \\ y', c: { d: "a'b, c", e: 'f, "g' }, "h'i": "1" });
});

const storeOf = (line: string) => parsed(`online_store:\n  type: redis\n  ${line}\n`).online_store as YamlMap;

test.each([
  ["connection_string: >-\n    redis:6379,\n    password=x", "redis://redis:6379", true],
  ["connection_string: |\n    redis:6379", "redis://redis:6379", false],
  ["connection_string: &shared redis:6379", "redis://redis:6379", false],
  ["connection_string:\n    redis:6379", "redis://redis:6379", false],
  [
    "redis_type: redis_cluster\n  connection_string: redis:6379,\n    other:6379",
    "redis+cluster://redis:6379,other:6379",
    false,
  ],
])("%j is %s", (line, address, hasLogin) => {
  expect(redisConnection(storeOf(line))).toEqual({ address, hasLogin, dropped: [] });
});

test.each([
  ["connection_string: $REDIS"],
  ["connection_string: redis://redis:6379"],
  ["connection_string: db=1"],
  ["connection_string: ''"],
  ["connection_string:"],
  ["connection_string: [redis:6379]"],
])("%s is refused, not taken for another Redis", (line) => {
  expect(() => redisConnection(storeOf(line))).toThrow(
    expect.objectContaining({
      code: "SOURCE_UNSUPPORTED",
      message: expect.stringContaining("online_store.connection_string"),
    }),
  );
});

test("a parameter without a form in an address is named", () => {
  const store = { connection_string: "a:1,skip_full_coverage_check=true" };
  expect(redisConnection(store).dropped).toEqual(["skip_full_coverage_check"]);
});

function repoOf(yaml: string, registry?: string) {
  writeFileSync(join(folder, "feature_store.yaml"), yaml);
  return readFeastRepo(folder, {}, registry);
}

test("a repo tells its project, registry and online store", () => {
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "data", "registry.db"), "");
  expect(repoOf("project: a\nonline_store:\n  type: redis\n  key_ttl_seconds: 60\n")).toEqual({
    project: "a",
    registryFile: join(folder, "data", "registry.db"),
    onlineStoreType: "redis",
    redis: { address: "redis://localhost:6379", hasLogin: false, dropped: [] },
    serializationVersion: 3,
    keyTtlSeconds: 60,
    skipsDedup: false,
    hasVersions: false,
  });
  const switched =
    "project: a\nregistry:\n  path: data/registry.db\n  enable_online_feature_view_versioning: true\nonline_store:\n  type: redis\n  skip_dedup: True\n";
  expect(repoOf(switched)).toMatchObject({ skipsDedup: true, hasVersions: true });
  expect(repoOf("project: a\nentity_key_serialization_version: 2\n")).toMatchObject({
    onlineStoreType: "sqlite",
    redis: undefined,
    serializationVersion: 2,
    keyTtlSeconds: 0,
  });
  expect(repoOf("project: a\nonline_store: redis\n").redis?.address).toBe("redis://localhost:6379");
  const written = "project: a\nonline_store: {\n  type: redis,\n  key_ttl_seconds: 604_800,\n  skip_dedup: 1\n}\n";
  expect(repoOf(written)).toMatchObject({ keyTtlSeconds: 604_800, skipsDedup: true });
  expect(repoOf("project: a\nonline_store: { type: redis, key_ttl_seconds: }\n").keyTtlSeconds).toBe(0);
  expect(repoOf("project: a\nonline_store:\n")).toMatchObject({ onlineStoreType: "sqlite", redis: undefined });
  expect(repoOf("project: a\nregistry: s3://b/r.db", join(folder, "data", "registry.db")).project).toBe("a");
});

test.each([
  ["registry: r.db", "SOURCE_UNSUPPORTED", "names no project"],
  ["project: a\nregistry: r.db", "SOURCE_NOT_FOUND", "r.db is not there; run feast apply"],
  ["project: a\nregistry: s3://b/r.db", "SOURCE_UNSUPPORTED", "s3://b/r.db, which is no local file"],
  ["project: a\nregistry: data", "SOURCE_UNSUPPORTED", "data is a folder"],
  ["project: a\n registry: r.db", "SOURCE_UNSUPPORTED", "feature_store.yaml is not understood as YAML at line 1"],
  ["project: a\nentity_key_serialization_version: three", "SOURCE_UNSUPPORTED", 'is "three"; write a whole number'],
  [
    "project: a\nonline_store: { type: redis, key_ttl_seconds: 1h }",
    "SOURCE_UNSUPPORTED",
    `in ${folder}/feature_store.yaml`,
  ],
  ["project: a\nregistry:\n  registry_type: sql\n  path: x", "SOURCE_UNSUPPORTED", "of type sql"],
])("a repo that says %o is refused", (yaml, code, sentence) => {
  expect(() => repoOf(yaml)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(sentence) }));
});

test.each([
  ["localhost:99999", "has the host localhost:99999; a port is at most 65535"],
  ["r:1,ssl=maybe,password=x", "has ssl=maybe; it is true or false"],
])("a Redis at %o is refused", (text, sentence) => {
  const yaml = `project: a\nonline_store: { type: redis, connection_string: "${text}" }`;
  expect(() => repoOf(yaml)).toThrow(
    expect.objectContaining({ code: "SOURCE_UNSUPPORTED", message: expect.stringContaining(sentence) }),
  );
});

test("a folder without a repo is refused", () => {
  expect(() => readFeastRepo(join(folder, "data"), {}, undefined)).toThrow("has no feature_store.yaml");
});
