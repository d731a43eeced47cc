/**
 * Deploys that may die at any step, deletes, traffic and readers, all at once, over files whose every operation can be
 * put off, and whose list is of two moments, as a bucket's with more than one page is: nobody ever sees a version whose
 * files are not of its manifest.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { HeadgateError } from "../errors.ts";
import type { FolderEntry, ObjectStore, ObjectVersion } from "../object-store.ts";
import { createModelRepository, type ModelRepository } from "./repository.ts";
import { openRepositoryStore } from "./repository-store.ts";

const ROOT = "/models";
const NEVER = Number.POSITIVE_INFINITY;

/** Files in memory, with the conditions of an object store. `turn` is awaited before each operation. */
function memoryObjects(files: Map<string, { readonly bytes: Uint8Array; readonly version: ObjectVersion }>) {
  let writes = 0;
  const pageOf = (folder: string, isFirst: boolean, split: string): FolderEntry[] =>
    [...files]
      .filter(([path]) => path.startsWith(`${folder}/`))
      .map(([path, { version }]) => ({ name: path.slice(folder.length + 1), version }))
      .filter(({ name }) => name < split === isFirst)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  const missing = (path: string) => new HeadgateError("SOURCE_NOT_FOUND", `${path} is not there.`);
  return (turn: (what: string) => Promise<void>, split: string): ObjectStore => ({
    list: () => Promise.reject(new Error("not asked for")),
    listBelow: async (folder) => {
      await turn("list");
      const first = pageOf(folder, true, split);
      await turn("list on");
      return [...first, ...pageOf(folder, false, split)];
    },
    stat: async (path) => {
      await turn("stat");
      const file = files.get(path);
      if (file === undefined) throw missing(path);
      return file.version;
    },
    read: async (path, start, end, etag) => {
      await turn("read");
      const file = files.get(path);
      if (file?.version.etag !== etag) throw new HeadgateError("SOURCE_CHANGED", `${path} is another now.`);
      return new Uint8Array(file.bytes.slice(start, end)).buffer;
    },
    put: async (path, bytes, condition) => {
      await turn("put");
      const etag = files.get(path)?.version.etag;
      const holds =
        condition === undefined || ("ifAbsent" in condition ? etag === undefined : etag === condition.ifMatch);
      if (!holds) throw new HeadgateError("CONTROL_CONFLICT", `${path} is there.`);
      const version = { bytes: bytes.length, etag: String(writes++), lastModifiedMs: 0 };
      files.set(path, { bytes: Uint8Array.from(bytes), version });
      return version.etag;
    },
    delete: async (path) => {
      await turn("delete");
      files.delete(path);
    },
    removeLeftovers: async () => {},
    removeFolder: async () => {},
    close: async () => {},
  });
}

const uploadOf = (mark: string) => ({
  files: [
    { name: "a weight", bytes: Buffer.from(mark) },
    { name: "model.onnx", bytes: Buffer.from(mark) },
    { name: "weights", bytes: Buffer.from(mark) },
  ],
  manifest: mark,
});

type Step =
  | { readonly kind: "deploy"; readonly diesAfterPuts: number; readonly cleansUp: boolean }
  | { readonly kind: "place" }
  | { readonly kind: "delete"; readonly version: number }
  | { readonly kind: "traffic"; readonly version: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("deploy" as const),
    diesAfterPuts: fc.oneof(fc.constant(NEVER), fc.integer({ min: 0, max: 6 })),
    cleansUp: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("place" as const) }),
  fc.record({ kind: fc.constant("delete" as const), version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("traffic" as const), version: fc.integer({ min: 1, max: 3 }) }),
);
/** Where the second page of a list begins: after the claim of a version, or within the version. */
const split = fc.constantFrom("", "1.e", "2.e", "2/model.onnx", "3.e", "c/2.e", "c/2/model.onnx");

const codeOf = (cause: unknown): string => (cause instanceof HeadgateError ? cause.code : `${cause}`);

/** One repository, what is done to it and what is known of it. */
class Scenario {
  readonly deleted = new Set<number>();
  readonly whole = new Set<number>([1]);
  readonly #turn: (what: string) => Promise<void>;
  readonly #objects = memoryObjects(new Map());
  #marks = 0;
  #placed = 0;

  constructor(turn: (what: string) => Promise<void>) {
    this.#turn = turn;
  }

  /** The repository without a wait, to begin and to end with. */
  get atOnce(): ModelRepository {
    return open(this.#objects(() => Promise.resolve(), ""));
  }

  async begin(): Promise<void> {
    const files = this.#objects(() => Promise.resolve(), "");
    await files.put(`${ROOT}/c/model.json`, Buffer.from("by hand"));
    await this.atOnce.addVersion("c", 1, uploadOf("the first"));
  }

  async write(steps: readonly Step[]): Promise<void> {
    const files = this.#objects(this.#turn, "");
    for (const step of steps) {
      if (step.kind === "deploy") await this.#deploy(step.diesAfterPuts, step.cleansUp);
      else if (step.kind === "delete") await this.#delete(step.version);
      else if (step.kind === "traffic") await changeTraffic(open(files), step.version);
      // Far above what deploys take: who places by hand beside a deploy chooses his number.
      else await files.put(`${ROOT}/c/${1_000 * ++this.#placed}/model.onnx`, Buffer.from("by hand"));
    }
  }

  async #deploy(diesAfterPuts: number, cleansUp: boolean): Promise<void> {
    let left = diesAfterPuts;
    const files = this.#objects(this.#turn, "");
    const died = () => Promise.reject(new Error("died"));
    const repository = open({
      ...files,
      put: (...words) => (left-- > 0 ? files.put(...words) : died()),
      delete: (path) => (left > 0 || cleansUp ? files.delete(path) : died()),
    });
    try {
      const version = await repository.nextVersion("c");
      expect(this.whole.has(version)).toBe(false);
      await repository.addVersion("c", version, uploadOf(`deploy ${this.#marks++}`));
      this.whole.add(version);
    } catch (cause) {
      expect(codeOf(cause)).toMatch(/^(DEPLOY_CONFLICT|REPOSITORY_UNREACHABLE)$/);
    }
  }

  async #delete(version: number): Promise<void> {
    this.deleted.add(version);
    const deleting = open(this.#objects(this.#turn, "")).deleteVersion("c", version);
    await deleting.catch((cause) => expect(codeOf(cause)).toBe("VERSION_NOT_FOUND"));
  }

  /** Three rounds of all versions there are, with a poll between. */
  async read(split: string): Promise<void> {
    const repository = open(this.#objects(this.#turn, split));
    for (let round = 0; round < 3; round++) {
      if (round > 0) await repository.snapshot();
      for (const version of await repository.versions("c")) await this.#readVersion(repository, version);
    }
  }

  async #readVersion(repository: ModelRepository, version: number): Promise<void> {
    try {
      const manifest = (await repository.readManifest("c", version)).content;
      const model = await repository.readModel("c", version);
      const names = manifest === "by hand" ? [] : ["a weight", "weights"];
      const weights = names.map((name) => repository.readWeights("c", version, name));
      for (const { content } of [model, ...(await Promise.all(weights))]) {
        expect(Buffer.from(content).toString()).toBe(manifest);
      }
    } catch (cause) {
      if (!(cause instanceof HeadgateError)) throw cause;
      expect(cause.code).toMatch(/^(VERSION_NOT_FOUND|MODEL_FILE_INVALID)$/);
      expect([...this.deleted]).toContain(version);
    }
  }

  /** In the end all that was deployed and not deleted is there, and numbers go on from the highest. */
  async end(): Promise<void> {
    const versions = await this.atOnce.versions("c");
    for (const version of this.whole) if (!this.deleted.has(version)) expect(versions).toContain(version);
    expect(await this.atOnce.nextVersion("c")).toBeGreaterThan(Math.max(...this.whole, ...versions));
  }
}

const open = (objects: ObjectStore): ModelRepository => createModelRepository(openRepositoryStore(objects, ROOT));

/** As an admin call does: what was read is changed, or somebody else was first. */
async function changeTraffic(repository: ModelRepository, version: number): Promise<void> {
  try {
    const before = await repository.readTraffic("c");
    const etag = await repository.putTraffic("c", `{"stable":${version}}`, before?.etag);
    expect(etag).not.toBe(before?.etag);
  } catch (cause) {
    // The second is told to who was overtaken again and again while he read.
    expect(codeOf(cause)).toMatch(/^(DEPLOY_CONFLICT|SOURCE_CHANGED)$/);
  }
}

const writers = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 });
const readers = fc.array(split, { minLength: 1, maxLength: 3 });

test("no reader ever sees a version whose files are not of its manifest", async () => {
  const property = fc.asyncProperty(fc.scheduler(), writers, readers, async (scheduler, written, read) => {
    const scenario = new Scenario((what) => scheduler.schedule(Promise.resolve(), what));
    await scenario.begin();
    const all = [...written.map((steps) => scenario.write(steps)), ...read.map((at) => scenario.read(at))];
    await scheduler.waitFor(Promise.all(all));
    await scenario.end();
  });
  await fc.assert(property, { numRuns: 1_000 });
}, 120_000);
