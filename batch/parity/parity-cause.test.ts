import { afterEach, beforeEach, expect, test } from "vitest";
import { readMaterialized, recordMaterialized } from "../../features/materialized-view.ts";
import { readParityVerdicts } from "../../features/parity-verdict.ts";
import { isTombstone } from "../../features/row-order.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import { readCheckpoint } from "../checkpoint.ts";
import {
  hoursAgo,
  LOADED_AT_MS,
  openParityProject,
  type ParityProject,
  WIDE,
  wideValues,
} from "./fixtures/parity-project.ts";
import { plant, streamedWrite } from "./fixtures/planted.ts";

let project: ParityProject;
beforeEach(async () => {
  project = await openParityProject(() => openMemoryStore());
});
afterEach(() => project.close());

const causes = async () =>
  Object.fromEntries((await project.runView()).causes.map(({ cause, entities }) => [cause, entities]));
const row = (id: number, hours: number) => ({
  ...{ id, at: hoursAgo(hours), created: hoursAgo(hours) + 1_000 },
  values: wideValues(id),
});

test("a file that came while a load went on is late, though that load was done later", async () => {
  await plant(project, ["same"]);
  const { success } = (await readMaterialized(project.store.control, [WIDE])).get(WIDE)!;
  await recordMaterialized(project.store.control, WIDE, {
    success: { ...success!, started_at_ms: LOADED_AT_MS - 600_000 },
  });
  project.write("data/new.parquet", [row(1, 8)], LOADED_AT_MS - 1_000);
  expect(await causes()).toEqual({ late_event: 1 });
});

test("what another definition loaded is not known: its files are not loaded, its rows are of it", async () => {
  await plant(project, ["other_generation", "same"]);
  const { control } = project.store;
  const { bytes, checkpoint } = await readCheckpoint(control, WIDE);
  project.write("data/old.parquet", [row(3, 30)], LOADED_AT_MS - 7_200_000);
  const files = { ...checkpoint!.files, "data/old.parquet": { etag: "x", through_us: checkpoint!.end_us } };
  const next = Buffer.from(JSON.stringify({ ...checkpoint, definition: "another", files }));
  expect(await control.compareAndSet(`checkpoint/${WIDE}`, bytes, next)).toBe(true);
  await project.store.replace(
    { key: "customer_id=2", field: WIDE, bytes: await stored(2), expireAtMs: 1 },
    await stored(2),
  );
  await project.store.sweep(hoursAgo(0) / 1_000);
  // The row of customer 2 was loaded once, which says nothing of today's definition.
  expect(await causes()).toEqual({ other_fingerprint: 1, missed_interval: 2 });
});

test.each([
  [1, 2, "late_event", {}],
  [2, 1, "rewritten_file", { rewritten_file: 1 }],
])("a file whose value %d became %d under the same timestamps: %s", async (before, after, cause, left) => {
  const of = (value: number) => [{ ...row(1, 8), values: wideValues(value) }];
  project.write("data/a.parquet", of(before));
  await project.materialize();
  project.write("data/a.parquet", of(after), LOADED_AT_MS + 5_000);
  expect(await causes()).toEqual({ [cause]: 1 });
  // What a load can mend is mended; the other has the same name after it, and its remedy works.
  await project.materialize();
  expect(await causes()).toEqual(left);
  await project.runView({ repair: "write" });
  expect(await causes()).toEqual({});
});

test("a snapshot that is overwritten each night: the row of an entity that dropped out is told, and goes by a delete", async () => {
  project.write("data/snapshot.parquet", [row(1, 30), row(2, 30), row(3, 30)]);
  await project.materialize();
  project.write("data/snapshot.parquet", [row(1, 8), row(2, 8)], LOADED_AT_MS + 500);
  expect(await causes()).toEqual({ late_event: 2, withdrawn_row: 1 });
  await project.materialize();
  const view = await project.runView({ repair: "write" });
  expect(view).toMatchObject({ verdict: "fail", outcomes: { match: 2, extra: 1 }, repair: { left_extra: 1 } });
  expect(view.causes).toMatchObject([{ cause: "withdrawn_row", entities: 1, example: { customer_id: 3 } }]);
  const deleted = streamedWrite(project, 3, 10);
  expect(isTombstone(deleted.bytes)).toBe(true);
  await project.store.write([deleted]);
  expect(await project.runView()).toMatchObject({ verdict: "pass", compared: 2, checked: 2 });
});

test("the verdict names the definition and the sample that it is of", async () => {
  await plant(project, ["same", "same"]);
  const { definition } = (await readCheckpoint(project.store.control, WIDE)).checkpoint!;
  const sample = { share: 0.999, seed: 7 };
  await project.runView();
  const verdict = async () => (await readParityVerdicts(project.store.control, [WIDE])).get(WIDE);
  expect(await verdict()).toMatchObject({ definition, sample: null });
  await project.runView({ sample });
  expect(await verdict()).toMatchObject({ definition, sample });
});

async function stored(id: number): Promise<Uint8Array> {
  return (await project.store.read([{ key: `customer_id=${id}`, fields: [WIDE] }]))[0]!.rows[0]!.bytes;
}
