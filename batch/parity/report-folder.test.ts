import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { parseJson } from "../../features/json-text.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { type ObjectStore, openObjectStore } from "../../object-store.ts";
import { temporaryFolder } from "../../test/harness/project.ts";
import { findS3, type S3Server, startS3 } from "../../test/harness/s3.ts";
import { failingView, parityReport, passingView, STARTED_AT } from "./fixtures/parity-reports.ts";
import { HOSTILE_VALIDATION, VALIDATIONS } from "./fixtures/suite-validations.ts";
import { type ParityReportOptions, writeParityReport } from "./report-folder.ts";
import { readHistory } from "./report-history.ts";

const report = parityReport([passingView("orders", 100), failingView()]);
const again = (more: Partial<typeof report>) => ({ ...report, ...more });

async function textOf(objects: ObjectStore, path: string): Promise<string> {
  const { bytes, etag } = await objects.stat(path);
  return Buffer.from(await objects.read(path, 0, bytes, etag)).toString("utf8");
}

/** What holds in a local folder and in S3. */
function holdsAt(openPlace: () => { readonly objects: ObjectStore; readonly reportsPath: string }): void {
  let place: ReturnType<typeof openPlace>;
  beforeEach(() => {
    place = openPlace();
  });
  afterEach(() => place.objects.close());
  const write = (more: Partial<ParityReportOptions> = {}) =>
    writeParityReport({ ...place, report, validations: VALIDATIONS, ...more });

  test("a run's folder has its JSON, a validation of each suite and the page; the history names it", async () => {
    const { objects, reportsPath } = place;
    const { directory, page } = await write();
    expect(directory).toBe(`${reportsPath}/2026-11-22/021500-250-1a2b3c4d`);
    expect(page).toBe(`${directory}/index.html`);
    expect(parseJson(await textOf(objects, `${directory}/parity.json`))).toEqual(report);
    for (const { suite_name, result } of VALIDATIONS) {
      expect(parseJson(await textOf(objects, `${directory}/validation-${suite_name}.json`))).toEqual(result);
    }
    expect(await textOf(objects, page)).toMatch(/^<!doctype html>/);
    const history = await readHistory(objects, `${reportsPath}/history.json`);
    expect(history.runs.map((run) => run.page)).toEqual(["2026-11-22/021500-250-1a2b3c4d/index.html"]);
  });

  test("runs of one day keep apart, and each page has the trend up to its run", async () => {
    const { objects, reportsPath } = place;
    const later = again({ run: "parity 2026-11-22T02:15:00.250Z ffff0000" });
    const [first, second] = [await write(), await write({ report: later })];
    expect(second.directory).not.toBe(first.directory);
    expect((await readHistory(objects, `${reportsPath}/history.json`)).runs).toHaveLength(2);
    expect(await textOf(objects, first.page)).not.toContain("over 2 runs");
    expect(await textOf(objects, second.page)).toContain("over 2 runs");
  });

  test("the same report again is no failure; another one in its folder is refused and nothing is overwritten", async () => {
    const { objects } = place;
    const { directory, page } = await write();
    await write();
    const [before, etag] = [await textOf(objects, page), (await objects.stat(`${directory}/parity.json`)).etag];
    await expect(write({ report: again({ seconds: 99 }) })).rejects.toMatchObject({ code: "CONTROL_CONFLICT" });
    expect(await textOf(objects, page)).toBe(before);
    expect((await objects.stat(`${directory}/parity.json`)).etag).toBe(etag);
  });

  test("reports that are written together all get into the history", async () => {
    const { objects, reportsPath } = place;
    const days = Array.from({ length: 4 }, (_, i) => {
      const startedAt = new Date(Date.parse(STARTED_AT) + i * 86_400_000).toISOString();
      return again({ run: `parity ${startedAt} 0000000${i}`, started_at: startedAt });
    });
    await Promise.all(days.map((day) => write({ report: day, validations: [] })));
    const history = await readHistory(objects, `${reportsPath}/history.json`);
    expect(history.runs.map(({ run }) => run)).toEqual(days.map(({ run }) => run));
  });
}

describe("in a local folder", () => {
  holdsAt(() => ({ objects: openObjectStore({ directory: temporaryFolder() }), reportsPath: "reports" }));
});

const found = await findS3();
const absent = "missing" in found ? ` (${found.missing})` : "";

describe.skipIf("missing" in found)(`in S3${absent}`, () => {
  let server: S3Server;
  let bucket: string;
  let prefixes = 0;

  beforeAll(async () => {
    server = await startS3(found);
    bucket = await server.createBucket();
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    if ("program" in found) await server?.stop();
  });

  holdsAt(() => ({
    objects: openObjectStore({ directory: "/" }),
    reportsPath: `s3://${bucket}/reports ${++prefixes}`,
  }));
});

test.each([1, 1_000])("a history that others write meanwhile, %d times, costs no report", async (times) => {
  const objects = openObjectStore({ directory: temporaryFolder() });
  let left = times;
  // Another writer comes between the look at the file and its reading.
  const raced: ObjectStore = {
    ...objects,
    stat: async (path) => {
      const version = await objects.stat(path);
      if (path.endsWith("history.json") && left-- > 0) {
        await objects.put(path, Buffer.from(`{"runs":[]}${" ".repeat(1 + (left % 2))}\n`));
      }
      return version;
    },
  };
  await objects.put("reports/history.json", Buffer.from('{"runs":[]}\n'));
  const writing = writeParityReport({ objects: raced, reportsPath: "reports", report, validations: [], triesMax: 3 });
  if (times === 1) await writing;
  else await expect(writing).rejects.toMatchObject({ code: "CONTROL_CONFLICT" });
  const names = (await objects.listBelow("reports/2026-11-22/021500-250-1a2b3c4d", 1)).map(({ name }) => name);
  expect(names.sort()).toEqual(["index.html", "parity.json"]);
});

test("file names are safe, one for each suite, wherever capitals are the same", async () => {
  const objects = openObjectStore({ directory: temporaryFolder() });
  const result: JsonValue = { success: true };
  const suites = ["../../evil", "Orders", "orders", "", "a b/c", HOSTILE_VALIDATION.suite_name, "x".repeat(500)];
  const validations = suites.map((suite_name) => ({ suite_name, result }));
  const { directory } = await writeParityReport({ objects, reportsPath: "reports//", report, validations });
  const names = (await objects.listBelow(directory, 1)).map(({ name }) => name);
  expect(names).toHaveLength(suites.length + 2);
  expect(names).toContain("validation-.._.._evil.json");
  expect(names).toContain("validation-orders-2.json");
  for (const name of names) expect(name).toMatch(/^[\w.-]{1,120}$/);
});
