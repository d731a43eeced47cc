import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ZOO, zooColumns } from "../models/fixtures/zoo.ts";
import { type Models, openModels } from "../models/lifecycle.ts";
import { type ModelRepository, openModelRepository } from "../models/repository.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";
import { temporaryFolder } from "../test/harness/project.ts";

let folder: string;
let lines: Record<string, unknown>[];
let telemetry: Telemetry;
let repository: ModelRepository;
let models: Models;

beforeEach(async () => {
  folder = temporaryFolder();
  lines = [];
  telemetry = startTelemetry(
    (line) => void lines.push(JSON.parse(line)),
    () => 0,
  );
  putVersion(1);
  cpSync(join(ZOO, "double", "model.json"), join(folder, "double", "model.json"));
  repository = await openModelRepository(folder);
});

afterEach(async () => {
  await models.close();
  await repository.close();
  telemetry.stop();
});

const open = async () => {
  models = await openModels({ repository, columnsOf: zooColumns, now: () => performance.now() });
};
const putVersion = (version: number) => {
  mkdirSync(join(folder, "double", String(version)), { recursive: true });
  cpSync(join(ZOO, "double", "1", "model.onnx"), join(folder, "double", String(version), "model.onnx"));
};
const putTraffic = (text: string) => writeFileSync(join(folder, "double", "traffic.json"), text);

/** The lines of a refresh, without those of loads. */
async function noticed(): Promise<readonly Record<string, unknown>[]> {
  lines.length = 0;
  await models.refresh("double");
  return lines.filter(({ message }) => !/is READY/.test(String(message))).map(({ time, ...line }) => line);
}

test("each change of versions and traffic is one line, with what it was and what it is", async () => {
  await open();
  expect(lines.map(({ message }) => message)).toEqual(["model double version 1 is READY"]);
  const versions = { level: "info", message: "model double: its versions changed" };
  const traffic = { level: "info", message: "model double: its traffic changed" };
  putVersion(2);
  putTraffic('{"stable": 1}');
  expect(await noticed()).toEqual([
    { ...versions, from: [1], to: [2, 1] },
    { ...traffic, from: null, to: { stable: 1 } },
  ]);
  putTraffic('{"stable": 1, "canary": {"version": 2, "percent": 10}}');
  const shared = { stable: 1, canary: { version: 2, percent: 10 } };
  expect(await noticed()).toEqual([{ ...traffic, from: { stable: 1 }, to: shared }]);
  putTraffic('{ "canary": {"percent": 10, "version": 2}, "stable": 1 }');
  expect(await noticed()).toEqual([]);
  putTraffic('{"stable": 2, "previous": 1}');
  expect(await noticed()).toEqual([{ ...traffic, from: shared, to: { stable: 2, previous: 1 } }]);
  rmSync(join(folder, "double", "1"), { recursive: true });
  putTraffic('{"stable": 2}');
  expect(await noticed()).toEqual([
    { ...versions, from: [2, 1], to: [2] },
    { ...traffic, from: { stable: 2, previous: 1 }, to: { stable: 2 } },
  ]);
  rmSync(join(folder, "double"), { recursive: true });
  expect(await noticed()).toEqual([
    { ...versions, from: [2], to: [] },
    { ...traffic, from: { stable: 2 }, to: null },
  ]);
});

const mended = { level: "info", message: "model double: its files can be followed again" };
const warned = { level: "warn", message: "model double: its files can't be followed", reason: expect.any(String) };

test("a traffic file that can't be understood is told once for each content, with what to do", async () => {
  const warning = (reason: RegExp) => ({
    ...{ level: "warn", message: "model double: its files can't be followed" },
    reason: expect.stringMatching(reason),
  });
  putTraffic('{"stable": 1}');
  await open();
  putTraffic('{"stable":');
  const next = String.raw`Mend it, or put another in its place with "headgate models traffic double <file>"\.$`;
  expect(await noticed()).toEqual([warning(new RegExp(`double/traffic\\.json is not JSON: .*\\. ${next}`))]);
  expect(await noticed()).toEqual([]);
  putTraffic('{"stable": 0}');
  expect(await noticed()).toEqual([warning(/traffic\.json: stable is 0;/)]);
  // It says what is served.
  putTraffic('{"stable": 1}');
  expect(await noticed()).toEqual([mended]);
  expect(await noticed()).toEqual([]);
  putTraffic('{"stable": 0}');
  expect(await noticed()).toEqual([warning(/stable is 0/)]);
  await models.close();
  lines.length = 0;
  await open();
  expect(lines).toEqual([expect.objectContaining(warning(/stable is 0/))]);
});

test("where the versions can't be listed nothing is told of traffic that was not read", async () => {
  putTraffic('{"stable": 1}');
  await open();
  const versions = { level: "info", message: "model double: its versions changed" };
  const { stable, trafficEtag, trafficFileEtag } = models.get("double")!;
  renameSync(join(folder, "double", "1"), join(folder, "double", "first"));
  expect(await noticed()).toEqual([warned, { ...versions, from: [1], to: [] }]);
  expect(models.get("double")).toMatchObject({ traffic: { stable: 1 }, trafficEtag, trafficFileEtag });
  // Nothing is served of what is not there.
  expect([models.get("double")!.stable, [...models.get("double")!.ready], stable!.state]).toEqual([
    ...[undefined, [], "UNAVAILABLE"],
  ]);
  expect(await noticed()).toEqual([]);
  // It still pins what it pinned, should it be broken by the time it can be read.
  putTraffic("{");
  renameSync(join(folder, "double", "first"), join(folder, "double", "1"));
  putVersion(2);
  expect(await noticed()).toEqual([warned, { ...versions, from: [], to: [2, 1] }]);
  expect(models.get("double")!.stable!.version).toBe(1);
  rmSync(join(folder, "double", "traffic.json"));
  const traffic = { level: "info", message: "model double: its traffic changed", from: { stable: 1 }, to: null };
  expect(await noticed()).toEqual([mended, traffic]);
});

test("versions that the traffic names and that are not there are told once for each content, at a start, too", async () => {
  const says = (part: string, version: number, next: string) =>
    `double/traffic.json: ${part} is version ${version}, which is not there; "headgate models ${next}`;
  const another = 'promote double <version>" puts another in its place.';
  putVersion(2);
  putTraffic('{"stable": 1, "canary": {"version": 55, "percent": 50}, "shadow": [66, 2]}');
  await open();
  const both = `${says("canary", 55, 'rollback double" ends it.')} ${says("shadow", 66, 'shadow double 66 --remove" takes it out.')}`;
  expect(lines.filter(({ level }) => level === "warn")).toEqual([expect.objectContaining({ ...warned, reason: both })]);
  expect(models.get("double")!.reason).toBe(`${both} Version 1 serves.`);
  expect(await noticed()).toEqual([]);
  putTraffic('{"stable": 99}');
  const stable = says("stable", 99, another);
  expect(await noticed()).toEqual([{ ...warned, reason: stable }, expect.objectContaining({ to: { stable: 99 } })]);
  expect(models.get("double")!.reason).toBe(`${stable} Version 1 serves.`);
  putTraffic('{"stable": 1}');
  expect(await noticed()).toEqual([mended, expect.objectContaining({ to: { stable: 1 } })]);
  expect(models.get("double")!.reason).toBeUndefined();
  // Its files can go, too, while the traffic stays as it is; what is loaded serves on.
  rmSync(join(folder, "double", "1"), { recursive: true });
  expect((await noticed())[0]).toEqual({ ...warned, reason: says("stable", 1, another) });
  expect([models.get("double")!.stable?.version, models.get("double")!.reason]).toEqual([
    ...[1, `${says("stable", 1, another)} Version 1 serves.`],
  ]);
  await models.close();
  lines.length = 0;
  await open();
  expect(lines).toEqual([expect.objectContaining({ ...warned, reason: says("stable", 1, another) })]);
  expect([models.get("double")!.stable, models.get("double")!.reason]).toEqual([
    ...[undefined, says("stable", 1, another)],
  ]);
});
