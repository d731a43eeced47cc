import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readFeastRepo } from "./feast-repo.ts";
import { parseFeatureStoreYaml, type YamlMap, yamlText } from "./feast-store-yaml.ts";
import { redisConnection } from "./redis-connection.ts";

const folder = mkdtempSync(join(tmpdir(), "headgate-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("maps of maps are read, with comments, quotes and one-line maps; other YAML is stepped over", () => {
  const yaml = parseFeatureStoreYaml(
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
`,
    { OFFLINE: "file" },
  );
  expect(yamlText(yaml, "project")).toBe("a # b");
  expect(yamlText(yaml, "registry", "path")).toBe("data/registry.db");
  expect(yamlText(yaml, "registry", "cache_ttl_seconds")).toBe("60");
  expect(yamlText(yaml, "online_store", "connection_string")).toBe("a:1,b:2");
  expect(yamlText(yaml, "provider")).toBe("local#1");
  expect(yamlText(yaml, "empty")).toBe("");
  expect(yamlText(yaml, "offline_store", "type")).toBe("file");
  expect(yamlText(yaml, "offline_store", "other")).toBe(["$", "{MISSING}"].join(""));
  expect(yamlText(yaml, "registry")).toBeUndefined();
  expect(yamlText(yaml, "project", "path")).toBeUndefined();
  expect(yamlText(yaml, "constructor")).toBeUndefined();
  expect(() => parseFeatureStoreYaml("a:\n\tb: 1", {})).toThrow("line 2");
  expect(() => parseFeatureStoreYaml("a: 1\nb: { c: 1,\n  d: 2 }", {})).toThrow("line 2: a map in braces");
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
  const yaml = parseFeatureStoreYaml(
    `a: 'it''s' # one\nb: "say \\"x\\" \\\\ y"\nc: { d: 'a''b, c', e: "f, \\"g" }\n'h''i': 1\n`,
    {},
  );
  expect(yaml).toEqual({ a: "it's", b: 'say "x" \\ y', c: { d: "a'b, c", e: 'f, "g' }, "h'i": "1" });
});

test.each([
  ["connection_string: >-\n    redis:6379,\n    password=x"],
  ["connection_string: |\n    redis:6379"],
  ["connection_string: *shared"],
  ["connection_string: &shared redis:6379"],
  ["connection_string:\n    redis:6379"],
  ["connection_string: redis:6379,\n    other:6379"],
  ["connection_string: $REDIS"],
  ["connection_string: redis://redis:6379"],
  ["connection_string: db=1"],
  ["connection_string: ''"],
])("%s is refused, not taken for another Redis", (line) => {
  const yaml = parseFeatureStoreYaml(`online_store:\n  type: redis\n  ${line}\n`, {});
  expect(() => redisConnection(yaml.online_store as YamlMap)).toThrow(
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
  expect(repoOf("project: a\nregistry: s3://b/r.db", join(folder, "data", "registry.db")).project).toBe("a");
});

test.each([
  ["registry: r.db", "SOURCE_UNSUPPORTED", "names no project"],
  ["project: a\nregistry: r.db", "SOURCE_NOT_FOUND", "r.db is not there; run feast apply"],
  ["project: a\nregistry: s3://b/r.db", "SOURCE_UNSUPPORTED", "s3://b/r.db, which is no local file"],
  ["project: a\nregistry: data", "SOURCE_UNSUPPORTED", "data is a folder"],
  ["project: a\nregistry:\n  registry_type: sql\n  path: x", "SOURCE_UNSUPPORTED", "of type sql"],
])("a repo that says %o is refused", (yaml, code, sentence) => {
  expect(() => repoOf(yaml)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(sentence) }));
});

test("a folder without a repo is refused", () => {
  expect(() => readFeastRepo(join(folder, "data"), {}, undefined)).toThrow("has no feature_store.yaml");
});
