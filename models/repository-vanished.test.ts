/** A folder of models that has vanished is not made again: one with a single new version in it would retire all others. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createRegistry } from "../features/registry.ts";
import { temporaryFolder } from "../test/harness/project.ts";
import { takeNumber } from "./deploy.ts";
import { changeTraffic, promote, retire, retireModel, type TrafficTools } from "./deploy-traffic.ts";
import { uploadOf } from "./fixtures/repository-places.ts";
import { type ModelRepository, openModelRepository } from "./repository.ts";

const AWAY = { code: "REPOSITORY_UNREACHABLE" };

let folder: string;
let repository: ModelRepository;
let etag: string;

beforeEach(async () => {
  folder = join(temporaryFolder(), "models");
  repository = await openModelRepository(folder, { mayBeEmpty: true });
  await repository.addVersion("churn", 1, uploadOf("one"));
  await repository.addVersion("fraud", 1, uploadOf("other"));
  etag = await repository.putTraffic("churn", '{"stable":1}', undefined);
});

const vanish = () => renameSync(folder, `${folder}.away`);

/** Nothing was made in its place, and what it held is as it was. */
async function expectUnchanged(): Promise<void> {
  expect(existsSync(folder)).toBe(false);
  renameSync(`${folder}.away`, folder);
  expect(await repository.models()).toEqual(["churn", "fraud"]);
  expect(await repository.versions("churn")).toEqual([1]);
  expect((await repository.readTraffic("churn"))!.etag).toBe(etag);
}

test("a deploy is given no number, and the next one when it is back", async () => {
  vanish();
  await expect(takeNumber(repository, "churn")).rejects.toMatchObject(AWAY);
  await expect(takeNumber(repository, "new")).rejects.toMatchObject(AWAY);
  await expectUnchanged();
  expect(await takeNumber(repository, "churn")).toBe(2);
});

test("a change of traffic and retiring are refused", async () => {
  const tools: TrafficTools = {
    repository,
    registry: createRegistry([]),
    load: () => expect.fail("it was loaded"),
    servingVersion: async () => 1,
    isReady: () => true,
  };
  vanish();
  await expect(changeTraffic(tools, "churn", promote(1))).rejects.toMatchObject(AWAY);
  await expect(retire(tools, "churn", 1)).rejects.toMatchObject(AWAY);
  await expect(retireModel(tools, "churn")).rejects.toMatchObject(AWAY);
  await expectUnchanged();
});

test("so is whatever was begun before, such as an upload", async () => {
  vanish();
  await expect(repository.addVersion("churn", 2, uploadOf("two"))).rejects.toMatchObject(AWAY);
  await expect(repository.addVersion("new", 1, uploadOf("new"))).rejects.toMatchObject(AWAY);
  for (const ifEtag of [etag, undefined]) {
    await expect(repository.putTraffic("churn", "{}", ifEtag)).rejects.toMatchObject(AWAY);
  }
  await expect(repository.deleteVersion("churn", 1)).rejects.toMatchObject(AWAY);
  await expect(repository.deleteModel("churn", undefined)).rejects.toMatchObject(AWAY);
  await expectUnchanged();
});

test("a version whose files are being put is given up, and clearing it away is no sign of the folder's being back", async () => {
  const told: unknown[] = [];
  const hear = (event: unknown) => void told.push(event);
  subscribe("headgate:model-repository", hear);
  onTestFinished(() => void unsubscribe("headgate:model-repository", hear));
  const upload = { ...uploadOf("two"), beforeSeen: async () => vanish() };
  await expect(repository.addVersion("churn", 2, upload)).rejects.toMatchObject(AWAY);
  expect(told).toEqual([expect.objectContaining({ address: folder, isAway: true })]);
  await expectUnchanged();
});
