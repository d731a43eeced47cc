import { describe, expect, it } from "vitest";
import { HeadgateError } from "../../errors.ts";
import { describeOnlineStore } from "./conformance.ts";
import { openMemoryStore } from "./memory.ts";
import type { EntityRows, ReadRequest } from "./online-store.ts";
import { rowWrite, textOf } from "./test-fixtures/rows.ts";
import { SCRIPTED_BOUND_MS, ScriptedRemote, versionOf } from "./test-fixtures/scripted-remote.ts";
import { createTieredStore } from "./tiered.ts";

const MAX_BYTES = 2 ** 24;

describeOnlineStore("memory behind memory", {
  open: async () => createTieredStore(openMemoryStore(), { maxBytes: MAX_BYTES, now: () => 0 }),
});

const FIELDS = ["view"];
const request = (key: string, fields: readonly string[] = FIELDS): ReadRequest => ({ key, fields });

/** A tiered store on a scripted remote whose feed is armed. */
function armed(maxBytes = MAX_BYTES) {
  const remote = new ScriptedRemote();
  const store = createTieredStore(remote.store, { maxBytes, now: () => remote.nowMs });
  remote.arm();
  /** Reads through to an answer, which arrives at once where the remote has to be asked. */
  const read = async (...requests: readonly ReadRequest[]): Promise<readonly EntityRows[]> => {
    const answer = store.read(requests);
    while (remote.reads.length > 0) remote.reads[0]!.arrive();
    return answer;
  };
  return { remote, store, read };
}

describe("what is in memory", () => {
  it("is answered without a promise and without asking", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1);
    expect((await read(request("id=1")))[0]!.tier).toBe("memory");
    remote.beat();
    await read(request("id=1"));
    const hit = store.read([request("id=1")]) as readonly EntityRows[];
    expect(hit[0]!.tier).toBe("memory");
    expect(versionOf(hit[0])).toBe(1);
    expect(store.counts()).toMatchObject({ hits: 1, misses: 2, negativeHits: 0, entities: 1 });
  });

  it("is decoded once", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1);
    remote.beat();
    const [missed] = await read(request("id=1"));
    missed!.rows[0]!.decoded = "made by the reader";
    const [hit] = store.read([request("id=1")]) as readonly EntityRows[];
    expect(hit!.rows[0]!.decoded).toBe("made by the reader");
    expect(textOf(hit!.rows[0]!.bytes)).toBe("v1");
  });

  it("tells that there is no row too", async () => {
    const { store, read } = armed();
    await read(request("id=none"));
    const [hit] = store.read([request("id=none")]) as readonly EntityRows[];
    expect(hit!.rows).toEqual([undefined]);
    expect(store.counts()).toMatchObject({ hits: 1, negativeHits: 1 });
  });

  it("is not asked for again when only other fields are missing", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1, "a");
    await remote.write("id=1", 2, "b");
    await remote.write("id=1", 3, "c");
    remote.beat();
    await read(request("id=1", ["a", "b"]));
    const answer = store.read([request("id=1", ["c", "a"])]);
    expect(remote.reads.map(({ requests }) => requests)).toEqual([[request("id=1", ["c"])]]);
    remote.reads[0]!.arrive();
    expect((await answer)[0]!.rows.map((row) => textOf(row!.bytes))).toEqual(["v3", "v1"]);
    const hit = store.read([request("id=1", ["b", "c", "a", "b"])]) as readonly EntityRows[];
    expect(hit[0]!.rows.map((row) => textOf(row!.bytes))).toEqual(["v2", "v3", "v1", "v2"]);
  });

  it("gives way, least recently read first, and looking through the memory tier is not reading", async () => {
    const { remote, store, read } = armed(1_200);
    for (let i = 0; i < 4; i++) await remote.write(`id=${i}`, 1);
    remote.beat();
    const [memory] = store.tiers;
    for (let i = 0; i < 4; i++) {
      await read(request(`id=${i}`));
      await memory!.read([request("id=1")]);
      store.read([request("id=0")]);
    }
    const { bytes, entities, evictions } = store.counts();
    expect(bytes).toBeLessThanOrEqual(1_200);
    expect(entities + evictions).toBe(4);
    expect(evictions).toBeGreaterThan(0);
    const inMemory = await memory!.read([0, 1].map((i) => request(`id=${i}`)));
    expect(inMemory.map(versionOf)).toEqual([1, 0]);
    const before = store.counts();
    await memory!.read([request("id=9")]);
    expect(store.counts()).toEqual(before);
  });
});

describe("a drop", () => {
  it("leaves nothing of what was kept, fenced or not, and goes on keeping", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1);
    remote.beat();
    await read(request("id=1"));
    store.drop();
    expect(store.readFenced([request("id=1")], Number.POSITIVE_INFINITY)).toEqual([undefined]);
    await read(request("id=1"));
    await read(request("id=1"));
    expect(store.coherence().state).toBe("armed");
    expect(store.counts()).toMatchObject({ misses: 2, hits: 1, drops: 2, entities: 1 });
  });

  it("answers those whose reads are under way, and keeps nothing of what these bring", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1);
    remote.beat();
    const early = store.read([request("id=1")]);
    remote.reads[0]!.execute();
    store.drop();
    remote.reads[0]!.arrive();
    expect((await early).map(versionOf)).toEqual([1]);
    expect(store.counts()).toMatchObject({ entities: 0, discardedFills: 1 });
    await read(request("id=1"));
    expect(store.counts()).toMatchObject({ misses: 2, entities: 1 });
  });
});

describe("reads under way", () => {
  it("are shared by those who miss the same entity", async () => {
    const { remote, store } = armed();
    await remote.write("id=1", 1);
    const first = store.read([request("id=1"), request("id=2"), request("id=1")]);
    const second = store.read([request("id=2"), request("id=1"), request("id=3")]);
    expect(remote.reads.map(({ requests }) => requests.map(({ key }) => key))).toEqual([["id=1", "id=2"], ["id=3"]]);
    for (const read of [...remote.reads]) read.arrive();
    expect((await first).map(versionOf)).toEqual([1, 0, 1]);
    expect((await second).map(versionOf)).toEqual([0, 1, 0]);
    expect(store.counts()).toMatchObject({ misses: 6, joined: 3 });
  });

  it("are not kept when the entity changed meanwhile, and nobody joins them any more", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1);
    remote.beat();
    const early = store.read([request("id=1")]);
    remote.reads[0]!.execute();
    await remote.write("id=1", 2);
    remote.tell();
    const late = store.read([request("id=1")]);
    expect(remote.reads).toHaveLength(2);
    remote.reads[0]!.arrive();
    expect((await early).map(versionOf)).toEqual([1]);
    expect((await await store.tiers[0]!.read([request("id=1")]))[0]!.rows).toEqual([undefined]);
    remote.reads[0]!.arrive();
    expect((await late).map(versionOf)).toEqual([2]);
    expect((await read(request("id=1"))).map(versionOf)).toEqual([2]);
    expect(store.counts()).toMatchObject({ discardedFills: 1, hits: 1 });
  });

  it("are not kept when this store wrote the entity meanwhile", async () => {
    const { remote, store, read } = armed();
    const early = store.read([request("id=1")]);
    remote.reads[0]!.execute();
    await store.write([rowWrite("id=1", 5, "own")]);
    remote.reads[0]!.arrive();
    await early;
    expect((await read(request("id=1"))).map(versionOf)).toEqual([5]);
  });

  it("fail for all who wait for them and leave nothing behind", async () => {
    const { remote, store, read } = armed();
    const waiting = [store.read([request("id=1")]), store.read([request("id=1")])];
    remote.reads[0]!.fail(new HeadgateError("STORE_UNREACHABLE", "away"));
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    await remote.write("id=1", 1);
    expect((await read(request("id=1"))).map(versionOf)).toEqual([1]);
  });
});

describe("a feed in doubt", () => {
  it("fences what is kept until it is armed, which drops it", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1);
    remote.beat();
    await read(request("id=1"));
    remote.doubt();
    await remote.write("id=1", 2);
    expect(store.coherence()).toMatchObject({ state: "doubted", stalenessBoundMs: SCRIPTED_BOUND_MS });
    expect((await read(request("id=1"))).map(versionOf)).toEqual([2]);
    expect(store.counts()).toMatchObject({ hits: 0, entities: 1, discardedFills: 0 });
    remote.arm();
    expect(store.coherence().state).toBe("armed");
    expect(store.counts()).toMatchObject({ entities: 0 });
  });

  it("fences by the clock alone, when nobody could say so in time", async () => {
    const { remote, store, read } = armed();
    await read(request("id=1"));
    remote.isMute = true;
    await remote.write("id=1", 1);
    remote.nowMs += SCRIPTED_BOUND_MS;
    expect((await read(request("id=1"))).map(versionOf)).toEqual([0]);
    remote.nowMs += 1;
    expect((await read(request("id=1"))).map(versionOf)).toEqual([1]);
    expect(store.coherence().state).toBe("doubted");
  });

  it("lets what was read before it was armed be kept by nobody", async () => {
    const { remote, store, read } = armed();
    const early = store.read([request("id=1")]);
    remote.reads[0]!.execute();
    remote.doubt();
    await remote.write("id=1", 1);
    remote.arm();
    remote.reads[0]!.arrive();
    await early;
    expect((await read(request("id=1"))).map(versionOf)).toEqual([1]);
  });

  it("shows fenced rows to who asks for them, up to the age that he says", async () => {
    const { remote, store, read } = armed();
    await remote.write("id=1", 1);
    remote.beat();
    await read(request("id=1"));
    remote.nowMs += 5;
    remote.doubt();
    remote.nowMs += 100;
    const fenced = store.readFenced([request("id=1"), request("id=2"), request("id=1", ["view", "other"])], 105);
    expect(fenced.map((entity) => entity && versionOf(entity))).toEqual([1, undefined, undefined]);
    expect(store.readFenced([request("id=1")], 104)).toEqual([undefined]);
  });
});
