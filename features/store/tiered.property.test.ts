import fc from "fast-check";
import { expect, it } from "vitest";
import { rowWrite } from "./test-fixtures/rows.ts";
import { SCRIPTED_BOUND_MS, ScriptedRemote, versionOf } from "./test-fixtures/scripted-remote.ts";
import { createTieredStore, type TieredStore } from "./tiered.ts";

const KEYS = ["id=0", "id=1"];
const KEY = fc.constantFrom(...KEYS);
const NTH = fc.nat(3);
const STEP = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("read" as const), keys: fc.array(KEY, { minLength: 1, maxLength: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("write" as const), key: KEY }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("own write" as const), key: KEY }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("execute" as const), nth: NTH }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("arrive" as const), nth: NTH }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("tell" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("beat" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("mute" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("doubt" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("arm" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 8 }) }) },
);
const STEPS = fc.array(STEP, { minLength: 10, maxLength: 80 });

type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/**
 * Takes steps and checks each read against what it may not be older than: the newest of the writes told before it
 * began, of this store's own, and of those acknowledged longer before than the bound.
 */
class Model {
  readonly checks: Promise<void>[] = [];
  readonly #remote = new ScriptedRemote();
  readonly #store: TieredStore;
  readonly #acknowledged: { readonly key: string; readonly version: number; readonly atMs: number }[] = [];
  /** By key: versions whose change was not told yet, and the newest whose was. */
  readonly #untold = new Map<string, number[]>(KEYS.map((key) => [key, []]));
  readonly #told = new Map<string, number>(KEYS.map((key) => [key, 0]));
  #version = 0;

  constructor(discardsRacedFills: boolean) {
    const now = () => this.#remote.nowMs;
    this.#store = createTieredStore(this.#remote.store, { maxBytes: 2 ** 20, now, discardsRacedFills });
    this.#remote.arm();
  }

  async take(step: Step): Promise<void> {
    await this.#steps[step.kind](step as never);
    // What arrived is taken in before the next step.
    for (let turn = 0; turn < 8; turn++) await undefined;
  }

  async end(): Promise<void> {
    while (this.#remote.reads.length > 0) this.#remote.reads[0]!.arrive();
    await Promise.all(this.checks);
  }

  readonly #steps = {
    read: ({ keys }: { keys: readonly string[] }) => {
      const least = keys.map((key) => this.#leastOf(key));
      const answer = this.#store.read(keys.map((key) => ({ key, fields: ["view"] })));
      const check = Promise.resolve(answer).then((entities) => {
        const isOlder = entities.some((entity, i) => versionOf(entity) < least[i]!);
        if (isOlder) throw new Error(`read ${entities.map(versionOf)} of ${keys}, which are at least ${least}`);
      });
      check.catch(() => {});
      this.checks.push(check);
    },
    write: ({ key }: { key: string }) => this.#write(key, (version) => this.#remote.write(key, version)),
    "own write": async ({ key }: { key: string }) => {
      await this.#write(key, (version) => this.#store.write([rowWrite(key, version, "own")]));
      this.#told.set(key, this.#version);
    },
    execute: ({ nth }: { nth: number }) => this.#remote.reads[nth]?.execute(),
    arrive: ({ nth }: { nth: number }) => this.#remote.reads[nth]?.arrive(),
    tell: () => this.#hear(this.#remote.tell()),
    beat: () => {
      while (this.#remote.untold.length > 0) this.#hear(this.#remote.tell());
      this.#remote.beat();
    },
    mute: () => {
      this.#remote.isMute = true;
      this.#lose();
    },
    doubt: () => {
      this.#lose();
      this.#remote.doubt();
    },
    arm: () => {
      this.#lose();
      this.#remote.arm();
    },
    pass: ({ ms }: { ms: number }) => {
      this.#remote.nowMs += ms;
    },
  };

  async #write(key: string, put: (version: number) => Promise<unknown>): Promise<void> {
    const version = ++this.#version;
    if (!this.#remote.isMute) this.#untold.get(key)!.push(version);
    await put(version);
    this.#acknowledged.push({ key, version, atMs: this.#remote.nowMs });
  }

  #hear(key: string | undefined): void {
    if (key === undefined) return;
    const version = this.#untold.get(key)!.shift()!;
    this.#told.set(key, Math.max(this.#told.get(key)!, version));
  }

  /** Changes that were not told never will be. */
  #lose(): void {
    this.#remote.untold.length = 0;
    for (const versions of this.#untold.values()) versions.length = 0;
  }

  #leastOf(key: string): number {
    const longAgoMs = this.#remote.nowMs - SCRIPTED_BOUND_MS;
    const due = this.#acknowledged.filter((one) => one.key === key && one.atMs < longAgoMs);
    return Math.max(this.#told.get(key)!, ...due.map((one) => one.version));
  }
}

async function takeSteps(steps: readonly Step[], discardsRacedFills: boolean): Promise<void> {
  const model = new Model(discardsRacedFills);
  for (const step of steps) await model.take(step);
  await model.end();
}

it("answers no read with a row older than a write told before it, or acknowledged longer before than the bound", async () => {
  await fc.assert(
    fc.asyncProperty(STEPS, (steps) => takeSteps(steps, true)),
    { numRuns: 1_000 },
  );
});

it("would answer reads with older rows if it kept what was read while it changed", async () => {
  const withoutCheck = fc.check(
    fc.asyncProperty(STEPS, (steps) => takeSteps(steps, false)),
    { numRuns: 1_000 },
  );
  expect((await withoutCheck).failed).toBe(true);
});
