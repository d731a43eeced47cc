import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HeadgateError } from "../../errors.ts";
import { type ObjectStore, openObjectStore } from "../../object-store.ts";
import { temporaryFolder } from "../../test/harness/project.ts";
import { failingView, parityReport, passingView, runsBefore } from "./fixtures/parity-reports.ts";
import { addToHistory, HISTORY_RUNS, type HistoryRun, historyRunOf, readHistory, withRun } from "./report-history.ts";

const runs = (count: number) => runsBefore([passingView("orders", 100)], count);
const names = (history: { readonly runs: readonly HistoryRun[] }) => history.runs.map(({ run }) => run);
const store = (directory = temporaryFolder()) => openObjectStore({ directory });

test("a history keeps what is needed of a run", () => {
  const report = parityReport([failingView("orders")]);
  expect(historyRunOf(report, "2026-11-22/x/index.html")).toEqual({
    ...{ run: report.run, started_at: report.started_at, ok: false, page: "2026-11-22/x/index.html" },
    views: [{ view: "orders", verdict: "fail", mismatch_rate: 12_951 / 98_412, compared: 93_112 }],
  });
});

test("runs are in the order of time, whoever comes first, once each, and the oldest go", () => {
  const [a, b, c] = runs(3) as [HistoryRun, HistoryRun, HistoryRun];
  const history = [c, a, b, { ...c, ok: false }].reduce((all, run) => withRun(all, run), {
    runs: [] as readonly HistoryRun[],
  });
  expect(history.runs).toEqual([a, b, { ...c, ok: false }]);
  expect(withRun(history, a, 2).runs.map(({ run }) => run)).toEqual([b.run, c.run]);
  const many = runs(HISTORY_RUNS + 10).reduce((all, run) => withRun(all, run), { runs: [] as readonly HistoryRun[] });
  expect(many.runs).toHaveLength(HISTORY_RUNS);
});

test("concurrent writers do not lose each other", async () => {
  const objects = store();
  const all = runs(8);
  await Promise.all(all.map((run) => addToHistory(objects, "history.json", run, { triesMax: 100 })));
  expect(names(await readHistory(objects, "history.json"))).toEqual(all.map(({ run }) => run));
});

test("the same run again writes nothing", async () => {
  const objects = store();
  const [run] = runs(1) as [HistoryRun];
  await addToHistory(objects, "history.json", run);
  const { etag } = await objects.stat("history.json");
  await addToHistory(objects, "history.json", run);
  expect((await objects.stat("history.json")).etag).toBe(etag);
});

test("whoever is overtaken at every try says so, after as many as it was given", async () => {
  const objects = store();
  let reads = 0;
  const overtaken: ObjectStore = {
    ...objects,
    stat: async (path) => {
      const version = await objects.stat(path);
      reads++;
      await objects.put(path, Buffer.from(JSON.stringify({ runs: [], by: reads })));
      return version;
    },
  };
  await objects.put("history.json", Buffer.from('{"runs":[]}'));
  const adding = addToHistory(overtaken, "history.json", runs(1)[0]!, { triesMax: 3 });
  await expect(adding).rejects.toMatchObject({ code: "CONTROL_CONFLICT", message: expect.stringContaining("3 tries") });
  expect(reads).toBe(3);
});

test("what else goes wrong is not tried again", async () => {
  const denied = new HeadgateError("SOURCE_DENIED", "no");
  const objects: ObjectStore = { ...store(), put: () => Promise.reject(denied) };
  await expect(addToHistory(objects, "history.json", runs(1)[0]!)).rejects.toBe(denied);
});

test("a damaged history begins anew, and an entry that is not understood is left out", async () => {
  const directory = temporaryFolder();
  const [file, objects] = [join(directory, "history.json"), store(directory)];
  const [kept] = runs(1) as [HistoryRun];
  for (const text of ["", "{", "null", '{"runs":3}']) {
    writeFileSync(file, text);
    expect(await readHistory(objects, "history.json")).toEqual({ runs: [] });
  }
  const wrong = [
    ...[null, 3, {}, { ...kept, views: 3 }, { ...kept, views: [{ view: "a" }] }],
    ...["javascript:alert(1)", "../../../etc/index.html", "a/\ud800/index.html"].map((page) => ({ ...kept, page })),
  ];
  writeFileSync(file, JSON.stringify({ runs: [...wrong, kept] }));
  expect(await readHistory(objects, "history.json")).toEqual({ runs: [kept] });
  await addToHistory(objects, "history.json", { ...kept, run: "next" });
  expect(JSON.parse(readFileSync(file, "utf8")).runs).toHaveLength(2);
});
