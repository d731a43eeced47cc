import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeEach, expect, test } from "vitest";
import { loadConfig } from "../config.ts";
import { RegistrySchema } from "../features/feast-import/feast-registry_pb.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { CHECKOUT } from "../test/harness/source-tree.ts";
import type { CommandContext } from "./command.ts";
import { type ImportFeastFlags, importFeast } from "./import-feast.ts";

const REPO = new URL("../features/feast-import/fixtures/drivers", import.meta.url).pathname;
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => void rmSync(folder, { recursive: true })));

let project: string;
let written: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "headgate-test-"));
  folders.push(project);
  written = "";
});

function run(repo: string, flags: ImportFeastFlags = {}, json = false): Promise<number> {
  const context: CommandContext = {
    ...{ projectDirectory: project, json, environment: {}, now: () => 0 },
    stdout: { write: (text: string) => (written += text) } as unknown as NodeJS.WritableStream,
    stderr: process.stderr,
  };
  return importFeast(context, repo, flags);
}

test("a repo becomes a project that loads, and what it could not carry over is said", async () => {
  expect(await run(REPO)).toBe(0);
  expect(written).toContain(
    "2 entities, 7 feature views, 1 request source, 1 feature service. Wrote\n  headgate.config.ts\n",
  );
  expect(written).toContain("\nNot carried over:\n  - warehouse_stats:settings left out");
  expect(written).toContain("the Redis password is not written down: set HEADGATE_ONLINE_STORE");
  expect(written).toContain(`\nNext: headgate plan --project ${relative(process.cwd(), project)}\n`);
  const config = await loadConfig(project, {});
  expect(config).toMatchObject({
    project: "drivers",
    modelsRequired: "off",
    onlineStore: "redis://localhost:6379",
    onlineStoreLayout: "feast",
    feastKeyTtlSeconds: 604_800,
    kafkaBrokers: "broker:9092",
    feastPushSources: "driver_push=driver_scalars",
  });
  const { views, services } = await loadFeatureRepository(project);
  expect(views.get("driver_hourly_stats")?.source?.path).toMatch(
    /\.\.\/.*fixtures\/drivers\/data\/driver_stats\.parquet$/,
  );
  expect([...services.keys()]).toEqual(["activity_v1"]);
});

test("the next command is one that a shell takes, whatever the folder is called", async () => {
  project = join(project, "my shop");
  await run(REPO);
  expect(written).toContain(`\nNext: headgate plan --project '${relative(process.cwd(), project)}'\n`);
});

test("nothing that is there is written over, unless that is said", async () => {
  writeFileSync(join(project, "headgate.config.ts"), "mine");
  await expect(run(REPO)).rejects.toMatchObject({
    code: "PROJECT_EXISTS",
    message: expect.stringContaining("--force"),
  });
  expect(readFileSync(join(project, "headgate.config.ts"), "utf8")).toBe("mine");
  expect(existsSync(join(project, "features"))).toBe(false);
  expect(await run(REPO, { force: true }, true)).toBe(0);
  expect(JSON.parse(written)).toMatchObject({ project: "drivers", views: 7, notes: expect.any(Array) });
});

test("Headgate's own folder is no project's, whatever is said", async () => {
  project = CHECKOUT;
  const refused = { code: "PROJECT_EXISTS", message: expect.stringContaining("such as --project ../shop") };
  await expect(run(REPO, { force: true })).rejects.toMatchObject(refused);
  expect(existsSync(join(CHECKOUT, "headgate.config.ts"))).toBe(false);
});

test("a repo in the project's own folder keeps its paths; a store that is no Redis is said", async () => {
  cpSync(REPO, project, { recursive: true });
  writeFileSync(join(project, "feature_store.yaml"), "project: drivers\nregistry: registry.db\n");
  await run(project);
  expect(written).toContain("the online store is sqlite, which is not read");
  expect((await loadConfig(project, {})).onlineStore).toBe("lmdb:.headgate/online");
  const { views } = await loadFeatureRepository(project);
  expect(views.get("driver_hourly_stats")?.source?.path).toBe("data/driver_stats.parquet");
});

test("what in a Feast project changes the bytes of its rows is said", async () => {
  cpSync(REPO, project, { recursive: true });
  const yaml = readFileSync(join(REPO, "feature_store.yaml"), "utf8");
  const switched = yaml.replace(/(\n +)path:/, "$1enable_online_feature_view_versioning: true$1path:");
  writeFileSync(
    join(project, "feature_store.yaml"),
    switched.replace(/(\n +)type: redis/, "$1type: redis$1skip_dedup: true"),
  );
  await run(project);
  expect(written).toContain("\n  - registry.enable_online_feature_view_versioning is on:");
  expect(written).toContain("\n  - online_store.skip_dedup is on:");
});

test("what does not load is not written, and nothing is left behind", async () => {
  const registry = join(project, "registry.db");
  // Two entities of one name, which Feast would have refused.
  const bytes = readFileSync(join(REPO, "registry.db"));
  writeFileSync(registry, Buffer.concat([bytes, bytes]));
  const target = join(project, "shop");
  mkdirSync(target);
  project = target;
  await expect(run(REPO, { registry })).rejects.toMatchObject({ code: "DEFINITION_INVALID" });
  expect(readdirSync(target)).toEqual([]);
});

test("an import over an older one takes away what the older one wrote and this one does not", async () => {
  await run(REPO);
  writeFileSync(join(project, "features/mine.ts"), "export {};\n");
  const registry = join(project, "registry.db");
  const other = fromBinary(RegistrySchema, readFileSync(join(REPO, "registry.db")));
  writeFileSync(registry, toBinary(RegistrySchema, { ...other, featureServices: [], onDemandFeatureViews: [] }));
  await run(REPO, { force: true, registry });
  expect(readdirSync(join(project, "features")).sort()).toEqual(["entities.ts", "mine.ts", "views.ts"]);
  expect(written).toContain("\nTook away, of an older import\n  features/requests.ts\n  features/services.ts\n");
  expect((await loadFeatureRepository(project)).services.size).toBe(0);
});

test("a registry that can't be read, or is half there, is refused by name", async () => {
  const registry = join(project, "registry.db");
  // An entity without its spec.
  writeFileSync(registry, new Uint8Array([0x0a, 0x00]));
  await expect(run(REPO, { registry })).rejects.toMatchObject({
    code: "SOURCE_UNSUPPORTED",
    message: expect.stringContaining("it has projects: none"),
  });
});

test("a project that can't keep its name keeps it in its keys", async () => {
  const registry = join(project, "registry.db");
  const bytes = readFileSync(join(REPO, "registry.db"), "latin1").replaceAll("drivers", "7 lives");
  writeFileSync(registry, bytes, "latin1");
  writeFileSync(join(project, "feature_store.yaml"), "project: 7 lives\nonline_store:\n  type: redis\n");
  await run(project, { registry });
  expect(await loadConfig(project, {})).toMatchObject({ project: "feast_7_lives", feastProject: "7 lives" });
});
