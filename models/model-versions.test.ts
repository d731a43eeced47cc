/** What a refresh does: which versions are loaded, what serves meanwhile and after it, and what happens to the others. */

import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import { readBroken, readExpected, ZOO, zooColumns } from "./fixtures/zoo.ts";
import { type Models, openModels } from "./lifecycle.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";
import { WorkerEndedError } from "./worker-session.ts";

let directory: string;
let repository: ModelRepository;
let models: Models;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "headgate-versions-"));
  await cp(join(ZOO, "double"), join(directory, "double"), { recursive: true });
});

afterEach(async () => {
  await models.close();
  await repository.close();
  await rm(directory, { recursive: true });
});

async function open(over: Partial<ModelRepository> = {}): Promise<void> {
  repository = await openModelRepository(directory);
  const read = { ...repository, ...over };
  models = await openModels({
    ...{ repository: read, columnsOf: zooColumns, versionsReady: 1 },
    now: () => performance.now(),
  });
}

const served = () => models.get("double")!;
const put = async (version: number, bytes?: Uint8Array) => {
  await mkdir(join(directory, `double/${version}`), { recursive: true });
  const content = bytes ?? (await readFile(join(directory, "double/1/model.onnx")));
  await writeFile(join(directory, `double/${version}/model.onnx`), content);
};
const putTraffic = (traffic: object) => writeFile(join(directory, "double/traffic.json"), JSON.stringify(traffic));
const states = () => served().versions.map(({ state, version }) => [version, state]);

test("without traffic the newest version that loads is swapped in, and one that does not changes nothing", async () => {
  await open();
  const first = served().stable!;
  await put(2, readBroken("truncated"));
  await models.refresh("double");
  expect(served().stable).toBe(first);
  expect(served().versions[0]).toMatchObject({
    version: 2,
    state: "UNAVAILABLE",
    reason: expect.stringMatching(/cut short/),
  });
  await put(2);
  await models.refresh();
  expect(served().stable!.version).toBe(2);
  expect(served().reason).toBeUndefined();
  expect(first.state).toBe("UNAVAILABLE");
  await rm(join(directory, "double/2"), { recursive: true });
  await models.refresh("double");
  expect(served().stable!.version).toBe(1);
  expect(served().stable).not.toBe(first);
});

test("a version whose files are as they were is not loaded again, nor tried again", async () => {
  let reads = 0;
  await put(2, readBroken("text"));
  await open({
    readModel: (model, version) => {
      reads++;
      return repository.readModel(model, version);
    },
  });
  expect(reads).toBe(2);
  const { stable } = served();
  await models.refresh();
  await models.refresh("double");
  expect([reads, served().stable]).toEqual([2, stable]);
});

test("roles follow the traffic file; what is loaded needs no load to be promoted or rolled back to", async () => {
  await put(2);
  await put(3);
  await putTraffic({ stable: 1 });
  await open();
  expect(served().stable!.version).toBe(1);
  // The newest above stable is kept ready.
  expect([...served().ready.keys()]).toEqual([1, 3]);
  expect(states()).toEqual([
    [3, "READY"],
    [2, "UNKNOWN"],
    [1, "READY"],
  ]);
  await putTraffic({ stable: 1, canary: { version: 2, percent: 10 }, shadow: [3] });
  await models.refresh("double");
  const [one, two] = [served().stable!, served().canary!.model];
  expect([two.version, served().canary!.percent]).toEqual([2, 10]);
  expect(served().shadows.map(({ version }) => version)).toEqual([3]);
  expect(served().traffic).toMatchObject({ stable: 1, shadow: [3] });
  await putTraffic({ stable: 2, previous: 1 });
  await models.refresh("double");
  expect([served().stable, served().canary, served().ready.get(1)]).toEqual([two, undefined, one]);
  await putTraffic({ stable: 1, previous: 2 });
  await models.refresh("double");
  expect([served().stable, served().ready.get(2)]).toEqual([one, two]);
});

test("a stable version that does not load leaves what serves, and its reason is shown", async () => {
  await put(2, readBroken("unknown-operator"));
  await putTraffic({ stable: 1 });
  await open();
  const first = served().stable;
  await putTraffic({ stable: 2, previous: 1 });
  await models.refresh("double");
  expect(served().stable).toBe(first);
  expect(served().reason).toMatch(/Version 2, which is to be stable, is not ready: .*Embiggen.* Version 1 serves\./);
  await writeFile(join(directory, "double/traffic.json"), '{"stable":');
  await models.refresh("double");
  expect(served().stable).toBe(first);
  expect(served().reason).toMatch(/traffic\.json is not JSON.* Version 1 serves\./);
  // Started anew, the version before answers; a file that can't be read pins what nobody knows.
  await models.close();
  await putTraffic({ stable: 2, previous: 1 });
  await open();
  expect([served().stable?.version, served().reason]).toEqual([1, expect.stringMatching(/Embiggen/)]);
  await models.close();
  await writeFile(join(directory, "double/traffic.json"), "[]");
  await open();
  expect([served().stable, served().reason]).toEqual([undefined, expect.stringMatching(/traffic\.json/)]);
});

test("a version that is held is closed after its last answer, and answers till then", async () => {
  await open();
  const held = served().stable!;
  held.enter();
  await put(2);
  await models.refresh("double");
  expect([served().stable!.version, held.state]).toEqual([2, "UNLOADING"]);
  const { rows } = readExpected("double");
  expect((await held.predict(rows)).count).toBe(rows.length);
  held.leave();
  await expect.poll(() => held.state).toBe("UNAVAILABLE");
});

test("versions that are all gone are let go of, also where the traffic names them", async () => {
  await putTraffic({ stable: 1 });
  await open();
  const { stable } = served();
  await rm(join(directory, "double/1"), { recursive: true });
  await models.refresh("double");
  expect([served().stable, served().ready.size, served().traffic!.stable]).toEqual([undefined, 0, 1]);
  expect(served().reason).toMatch(/has no version beside it/);
  await expect.poll(() => stable!.state).toBe("UNAVAILABLE");
});

test("files put over a loaded version's are loaded beside it and swapped", async () => {
  await open();
  const before = served().stable!;
  const manifest = join(directory, "double/model.json");
  await writeFile(manifest, (await readFile(manifest, "utf8")).replace("{", '{"max_batch": 7,'));
  await models.refresh("double");
  expect(served().stable).not.toBe(before);
  expect(served().stable!.manifest.maxBatchRows).toBe(7);
  await put(1, readBroken("text"));
  await models.refresh("double");
  expect(served().stable!.manifest.maxBatchRows).toBe(7);
  expect(served().versions[0]).toMatchObject({ state: "READY", reason: expect.stringMatching(/not an ONNX model/) });
});

test("while the repository does not answer, what serves stays and a refresh says so", async () => {
  let isAway = false;
  const away = new HeadgateError("REPOSITORY_UNREACHABLE", "It does not answer.");
  await open({
    readModel: (model, version) => (isAway ? Promise.reject(away) : repository.readModel(model, version)),
  });
  await put(2);
  isAway = true;
  await expect(models.refresh("double")).rejects.toBe(away);
  expect(served().stable!.version).toBe(1);
  isAway = false;
  await models.refresh("double");
  expect(served().stable!.version).toBe(2);
});

test("refreshes that are asked for while one is under way are one more, after it", async () => {
  let listed = 0;
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await open({
    fingerprints: async (model) => {
      const found = await repository.fingerprints(model);
      if (++listed === 2) await held;
      return found;
    },
  });
  const first = models.refresh("double");
  await expect.poll(() => listed).toBe(2);
  await put(2);
  const others = [models.refresh("double"), models.refresh("double"), models.refresh("double")];
  await new Promise((resolve) => setImmediate(resolve));
  goOn();
  await Promise.all([first, ...others]);
  // One of them looks whether there is anything that needs no load.
  expect([listed, served().stable!.version]).toEqual([4, 2]);
});

test("a worker that ends while it has a version is not the files' fault, until the third has", async () => {
  await put(2);
  let reads = 0;
  const ended = new WorkerEndedError("MODEL_FAILED", "The worker process is gone.");
  await putTraffic({ stable: 1 });
  await open({
    readModel: (model, version) => {
      if (version === 1) return repository.readModel(model, version);
      reads++;
      return Promise.reject(ended);
    },
  });
  expect(reads).toBe(1);
  await expect(models.refresh("double")).rejects.toBe(ended);
  await models.refresh("double");
  expect(reads).toBe(3);
  expect(served().versions[0]).toMatchObject({
    version: 2,
    state: "UNAVAILABLE",
    reason: expect.stringMatching(/gone/),
  });
  await models.refresh("double");
  expect([reads, served().stable!.version]).toEqual([3, 1]);
});

test("a traffic file that can't be understood has an ETag of its own, and the one before decides", async () => {
  await putTraffic({ stable: 1 });
  await open();
  const { trafficEtag } = served();
  expect(served().trafficFileEtag).toBe(trafficEtag);
  await writeFile(join(directory, "double/traffic.json"), '{"stable":');
  await models.refresh("double");
  const { etag } = (await repository.readTraffic("double"))!;
  expect([served().trafficEtag, served().trafficFileEtag]).toEqual([trafficEtag, etag]);
  expect(etag).not.toBe(trafficEtag);
});

test("after closing nothing is opened any more", async () => {
  await open();
  await cp(join(ZOO, "string"), join(directory, "string"), { recursive: true });
  await models.close();
  await models.refresh();
  await models.refresh("string");
  expect(models.get("string")).toBeUndefined();
});

test("models come and go", async () => {
  await open();
  await cp(join(ZOO, "string"), join(directory, "string"), { recursive: true });
  await models.refresh();
  expect(models.list().map(({ name, stable }) => [name, stable?.state])).toEqual([
    ["double", "READY"],
    ["string", "READY"],
  ]);
  await rm(join(directory, "string"), { recursive: true });
  await models.refresh("string");
  await models.refresh("never-was");
  expect(models.list().map(({ name }) => name)).toEqual(["double"]);
});
