/** What memory keeps decoded, held against a naive account of what was written: any plans, any rows, in any order. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { entity } from "./entity.ts";
import { featureService } from "./feature-service.ts";
import { STATUS } from "./feature-status.ts";
import type { FeatureVector } from "./feature-vector.ts";
import { type FeatureView, featureView } from "./feature-view.ts";
import { bool, type FeatureValue, float32, float64, int64, type Schema, string, typeName } from "./field.ts";
import { compileReadPlan } from "./read-plan.ts";
import { createFeatureReader } from "./reader.ts";
import { compileEncodeRow, encodeTombstone } from "./row-codec.ts";
import { openMemoryStore } from "./store/memory.ts";
import type { ControlStore } from "./store/online-store.ts";
import { createTieredStore } from "./store/tiered.ts";
import { recordSchema, StoredSchemas } from "./stored-schema.ts";

const NOW = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;
const TTL = 48 * HOUR;
const customer = entity("customer", { joinKeys: { customer_id: int64() } });
const shop = entity("shop", { joinKeys: { shop_id: int64() } });
const ENTITIES = [1, 2].map((id) => ({ customer_id: id, shop_id: id }));

/** The views as declared today, and the schemas that rows of them were written under: today's, and others. */
const VIEWS = [
  [customer, "spend", { orders: int64(), amount: float32(), label: string() }],
  [customer, "visits", { pages: int64(), seconds: float64() }],
  [shop, "rating", { stars: float32(), isOpen: bool() }],
].map(([of, name, schema]) =>
  featureView(name as string, { entities: [of as typeof customer], ttl: "2d", schema: schema as Schema }),
) as FeatureView[];
const WRITTEN: readonly (readonly Schema[])[] = [
  [VIEWS[0]!.schema, { amount: float32(), orders: int64() }, { orders: string(), amount: float32(), label: string() }],
  [VIEWS[1]!.schema, { seconds: float64(), gone: string(), pages: int64() }],
  [VIEWS[2]!.schema, { stars: float32() }],
];
const SCHEMAS = WRITTEN.flatMap((schemas, v) => schemas.map((schema) => ({ view: VIEWS[v]!, schema })));

interface WrittenRow {
  /** In SCHEMAS. */
  readonly written: number;
  readonly values: readonly FeatureValue[];
  readonly ageMs: number;
}

const VALUES: Readonly<Record<string, fc.Arbitrary<FeatureValue>>> = {
  int64: fc.oneof(fc.integer(), fc.constant(2n ** 60n)),
  float32: fc.float(),
  float64: fc.double(),
  string: fc.string(),
  bool: fc.boolean(),
};
const valuesOf = (schema: Schema) =>
  fc.tuple(...Object.values(schema).map((type) => fc.option(VALUES[typeName(type)]!, { freq: 8 })));
const ages = fc.constantFrom(HOUR, 2 * HOUR, TTL + HOUR);
const rows = fc
  .nat(SCHEMAS.length - 1)
  .chain((written) =>
    fc.record({ written: fc.constant(written), values: valuesOf(SCHEMAS[written]!.schema), ageMs: ages }),
  );
const plans = fc
  .shuffledSubarray(VIEWS, { minLength: 1 })
  .chain((views) => fc.tuple(...views.map((view) => fc.tuple(fc.constant(view), fieldsOf(view)))));
const fieldsOf = (view: FeatureView) => fc.shuffledSubarray(Object.keys(view.schema), { minLength: 1 });
const entities = fc.nat(ENTITIES.length - 1);
const steps = fc.oneof(
  { weight: 6, arbitrary: fc.record({ read: fc.nat(2), isLater: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ put: rows, entity: entities }) },
  { weight: 1, arbitrary: fc.record({ deleted: fc.nat(VIEWS.length - 1), entity: entities }) },
  { weight: 1, arbitrary: fc.record({ copied: fc.nat(SCHEMAS.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ reissued: fc.nat(SCHEMAS.length - 1) }) },
);

/** The views that a plan reads, and the fields of each. */
type Wanted = readonly (readonly [FeatureView, readonly string[]])[];
type Begun = Awaited<ReturnType<typeof begin>>;

/** A store with memory before it, and beside it what was written, by view and entity. */
async function begin(uncopied: readonly number[]) {
  const remote = openMemoryStore();
  const texts = new Map<string, Buffer | undefined>();
  const ids = await Promise.all(SCHEMAS.map(({ view, schema }) => recordSchema(remote.control, view.name, schema)));
  const control: ControlStore = {
    ...remote.control,
    get: async (name) => (texts.has(name) ? texts.get(name) : remote.control.get(name)),
  };
  const record = (written: number) => `schema/${ids[written]}`;
  for (const written of uncopied) texts.set(record(written), undefined);
  const schemas = new StoredSchemas(control);
  const store = createTieredStore(remote, { maxBytes: 2 ** 20, now: () => 0 });
  const known = new Map<string, { readonly bytes: Uint8Array; readonly row: WrittenRow | undefined }>();
  const unreadable = new Set(uncopied);
  const replace = async (view: FeatureView, e: number, row: WrittenRow | undefined) => {
    const at = (NOW - (row?.ageMs ?? 0)) * 1_000;
    const order = { eventTimestampUs: at, createdTimestampUs: at, generation: 1, sourceRank: 2, position: 0 };
    const header = { schemaId: ids[row?.written ?? 0]!, writtenAtMs: NOW, originId: 1 };
    const encode = row && compileEncodeRow(Object.values(SCHEMAS[row.written]!.schema));
    const bytes = encode === undefined ? encodeTombstone(order) : encode(order, header, row!.values);
    const id = Object.keys(view.entities[0]!.joinKeys)[0]!;
    const place = { key: `${id}=${ENTITIES[e]!.shop_id}`, field: view.name };
    const stored = known.get(`${view.name} ${e}`)?.bytes;
    await store.replace({ ...place, bytes, expireAtMs: Number.POSITIVE_INFINITY }, stored);
    known.set(`${view.name} ${e}`, { bytes, row });
  };
  const copied = (written: number) => {
    if (texts.get(record(written)) === undefined && texts.delete(record(written))) unreadable.delete(written);
  };
  const reissued = async (written: number) => {
    texts.set(record(written), Buffer.from(JSON.stringify({ view: "another", fields: [] })));
    unreadable.add(written);
    if (!(await schemas.areKept(control))) store.drop();
  };
  const rowOf = (view: FeatureView, e: number) => known.get(`${view.name} ${e}`)?.row;
  return { store, schemas, replace, copied, reissued, rowOf, unreadable };
}

/** What a read is to give of one view: its status, and its wanted fields' values and statuses. */
function expected(row: WrittenRow | undefined, view: FeatureView, fields: readonly string[], nowMs: number) {
  const schema = row && SCHEMAS[row.written]!.schema;
  const isReadable = (field: string) =>
    !Object.hasOwn(schema!, field) || typeName(schema![field]!) === typeName(view.schema[field]!);
  if (row === undefined || !fields.every(isReadable)) {
    return { status: STATUS.NOT_FOUND, atUs: undefined, found: fields.map(() => [null, STATUS.NOT_FOUND]) };
  }
  const atUs = (NOW - row.ageMs) * 1_000;
  if (nowMs * 1_000 - atUs > TTL * 1_000) {
    const status = STATUS.OUTSIDE_MAX_AGE;
    return { status, atUs, found: fields.map(() => [null, status]) };
  }
  const found = fields.map((field) => {
    const value = row.values[Object.keys(schema!).indexOf(field)] ?? null;
    return [value, value === null ? STATUS.NULL_VALUE : STATUS.PRESENT];
  });
  return { status: STATUS.PRESENT, atUs, found };
}

/** What a read of all entities is to give, as `given` has it. */
function expectedOf(wanted: Wanted, { rowOf, unreadable }: Begun, nowMs: number) {
  return ENTITIES.map((_, e) => {
    const views = wanted.map(([view, fields]) => {
      const row = rowOf(view, e);
      return expected(row && unreadable.has(row.written) ? undefined : row, view, fields, nowMs);
    });
    return { values: views.flatMap(({ found }) => found), views: views.map(({ status, atUs }) => [status, atUs]) };
  });
}

function given(vectors: readonly FeatureVector[]) {
  return vectors.map(({ values, statuses, views }) => ({
    values: values.map((value, i) => [value, statuses[i]]),
    views: views.map(({ status, eventTimestampUs }) => [status, eventTimestampUs]),
  }));
}

test("a read from memory gives what was written, whoever read it before and whatever is kept of it", async () => {
  const histories = fc.tuple(
    fc.tuple(plans, plans, plans),
    fc.subarray([...SCHEMAS.keys()], { maxLength: 2 }),
    fc.array(steps, { minLength: 5, maxLength: 30 }),
  );
  await fc.assert(
    fc.asyncProperty(histories, async ([planned, uncopied, history]) => {
      const begun = await begin(uncopied);
      const { store, schemas, replace, copied, reissued } = begun;
      const readers = planned.map((wanted) => {
        const selections = wanted.map(([view, fields]) => view.select(...fields));
        return createFeatureReader(store, schemas, compileReadPlan(featureService("s", selections)));
      });
      for (const step of history) {
        if ("put" in step) await replace(SCHEMAS[step.put.written]!.view, step.entity, step.put);
        else if ("deleted" in step) await replace(VIEWS[step.deleted]!, step.entity, undefined);
        else if ("copied" in step) copied(step.copied);
        else if ("reissued" in step) await reissued(step.reissued);
        else {
          const nowMs = step.isLater ? NOW + TTL - HOUR : NOW;
          const vectors = await readers[step.read]!.read(ENTITIES, [], nowMs);
          expect(given(vectors)).toEqual(expectedOf(planned[step.read]!, begun, nowMs));
        }
      }
      await store.close();
    }),
    { numRuns: 300 },
  );
});
