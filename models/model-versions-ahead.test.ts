/** Refreshes that are asked for while one is loading: what they show ahead of it, and what they leave to it. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ZOO, zooColumns } from "./fixtures/zoo.ts";
import { type Models, openModels } from "./lifecycle.ts";
import type { ModelNoticedEvent } from "./model-listing.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";

let directory: string;
let repository: ModelRepository;
let models: Models;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "headgate-ahead-"));
  await cp(join(ZOO, "double"), join(directory, "double"), { recursive: true });
});

afterEach(async () => {
  await models.close();
  await repository.close();
  await rm(directory, { recursive: true });
});

async function open(over: Partial<ModelRepository>): Promise<void> {
  repository = await openModelRepository(directory);
  models = await openModels({
    ...{ repository: { ...repository, ...over }, columnsOf: zooColumns, versionsReady: 1 },
    now: () => performance.now(),
  });
}

const served = () => models.get("double")!;
const states = () => served().versions.map(({ state, version }) => [version, state]);
const putTraffic = (traffic: object) => writeFile(join(directory, "double/traffic.json"), JSON.stringify(traffic));
const put = async (version: number) => {
  await mkdir(join(directory, `double/${version}`));
  await cp(join(directory, "double/1/model.onnx"), join(directory, `double/${version}/model.onnx`));
};

/** What waits for `passed` waits until `goOn` is called. */
interface Gate {
  readonly passed: Promise<void>;
  goOn(): void;
}

function gate(): Gate {
  let goOn = () => {};
  const passed = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  return { passed, goOn: () => goOn() };
}

test("what needs no load is served while another version is being loaded", async () => {
  await put(2);
  await putTraffic({ stable: 1, previous: 2 });
  const { passed: held, goOn } = gate();
  await open({
    readModel: async (model, version) => {
      if (version === 3) await held;
      return repository.readModel(model, version);
    },
  });
  await put(3);
  await putTraffic({ stable: 3, previous: 1 });
  const promoted = models.refresh("double");
  await expect.poll(() => served().traffic!.stable).toBe(1);
  await putTraffic({ stable: 2, previous: 1 });
  // It resolves: what is to answer now has not to be loaded.
  await models.refresh("double", "answering");
  let isLoaded = false;
  const loaded = models.refresh("double").then(() => {
    isLoaded = true;
  });
  expect([served().stable!.version, served().traffic!.stable, served().reason]).toEqual([2, 2, undefined]);
  const two = served().stable;
  expect(isLoaded).toBe(false);
  goOn();
  await promoted;
  await loaded;
  expect(served().ready.get(3)!.state).toBe("READY");
  expect(served().stable).toBe(two);
  expect(two!.state).toBe("READY");
});

test("what a refresh has loaded is shown at its end, whoever has looked ahead meanwhile", async () => {
  await putTraffic({ stable: 1 });
  const { passed: held, goOn } = gate();
  let listed = 0;
  await open({
    fingerprints: (model) => {
      listed++;
      return repository.fingerprints(model);
    },
    readModel: async (model, version) => {
      if (version === 2) await held;
      return repository.readModel(model, version);
    },
  });
  await put(2);
  const loading = models.refresh("double");
  await expect.poll(() => listed).toBe(2);
  const other = models.refresh("double");
  await expect.poll(() => listed).toBe(3);
  goOn();
  await loading;
  expect(states()).toEqual([
    [2, "READY"],
    [1, "READY"],
  ]);
  await other;
});

describe("a look whose answer comes after that of a look which began later", () => {
  /** The look that is to be overtaken: what it has read, and when it may go on. */
  let overtaken: { readonly read: Gate; readonly answer: Gate } | undefined;
  /** Loads by version, each held until it is let go on. */
  const loads = new Map<number, Gate>();
  const loading = new Set<number>();
  const stableNoticed: number[] = [];
  const noticed = (event: unknown) => {
    stableNoticed.push((event as ModelNoticedEvent).to.traffic!.stable);
  };

  const overtake = () => {
    overtaken = { read: gate(), answer: gate() };
    return overtaken;
  };

  beforeEach(async () => {
    overtaken = undefined;
    loads.clear();
    loading.clear();
    await put(2);
    await putTraffic({ stable: 2, previous: 1 });
    await open({
      readTraffic: async (model) => {
        const mine = overtaken;
        overtaken = undefined;
        const read = await repository.readTraffic(model);
        mine?.read.goOn();
        await mine?.answer.passed;
        return read;
      },
      readModel: async (model, version) => {
        loading.add(version);
        await loads.get(version)?.passed;
        return repository.readModel(model, version);
      },
    });
    await put(3);
    loads.set(3, gate());
    stableNoticed.length = 0;
    subscribe("headgate:model-noticed", noticed);
  });

  afterEach(() => {
    unsubscribe("headgate:model-noticed", noticed);
    for (const { goOn } of loads.values()) goOn();
  });

  test("undoes no rollback that was shown ahead of it", async () => {
    await putTraffic({ stable: 2, previous: 1, canary: { version: 3, percent: 10 } });
    const first = overtake();
    const refreshed = models.refresh("double");
    await first.read.passed;
    await putTraffic({ stable: 1, previous: 2 });
    await models.refresh("double", "answering");
    expect(served().stable!.version).toBe(1);
    first.answer.goOn();
    // The newest is kept ready, so what the first refresh goes on with is loaded now.
    await expect.poll(() => loading.has(3)).toBe(true);
    expect([served().stable!.version, served().traffic!.canary]).toEqual([1, undefined]);
    loads.get(3)!.goOn();
    await refreshed;
    await models.refresh("double");
    expect([served().stable!.version, served().ready.get(3)!.state]).toEqual([1, "READY"]);
    expect([...new Set(stableNoticed)]).toEqual([1]);
  });

  test("shows nothing ahead of the refresh that overtook it", async () => {
    const first = models.refresh("double");
    await expect.poll(() => loading.has(3)).toBe(true);
    const ahead = overtake();
    const asked = models.refresh("double", "answering");
    await ahead.read.passed;
    await put(4);
    loads.set(4, gate());
    await putTraffic({ stable: 1, previous: 2 });
    loads.get(3)!.goOn();
    await first;
    await expect.poll(() => loading.has(4)).toBe(true);
    expect(served().stable!.version).toBe(1);
    ahead.answer.goOn();
    // What is to answer does, so that nothing of version 4's load is waited for.
    await asked;
    expect(served().stable!.version).toBe(1);
    loads.get(4)!.goOn();
    await models.refresh("double");
    expect(stableNoticed).toEqual([2, ...stableNoticed.slice(1).map(() => 1)]);
  });
});
