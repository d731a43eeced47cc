/** The built package's own modules, as the gateway runs them, typed by their sources. `npm run bench` builds first. */

const from = <Module>(path: string): Promise<Module> =>
  import(new URL(`../dist/${path}.js`, import.meta.url).href) as Promise<Module>;

/** See the source that it is typed by. */
export const { openRedisStore } = await from<typeof import("../features/store/redis.ts")>("features/store/redis");
/** See the source that it is typed by. */
export const { createTieredStore } = await from<typeof import("../features/store/tiered.ts")>("features/store/tiered");
/** See the source that it is typed by. */
export const { createRowEncoder } = await from<typeof import("../features/writer.ts")>("features/writer");
/** See the source that it is typed by. */
export const { ROW_ORDER_MAX_BYTES, readEventTimestampUs, SOURCE_RANK, writeRowOrder } =
  await from<typeof import("../features/row-order.ts")>("features/row-order");
/** See the source that it is typed by. */
export const { float32, int64 } = await from<typeof import("../features/field.ts")>("features/field");
/** See the source that it is typed by. */
export const { openLmdbStore } = await from<typeof import("../features/store/lmdb.ts")>("features/store/lmdb");
/** See the source that it is typed by. */
export const { parseSuite } = await from<typeof import("../batch/expectations/suite.ts")>("batch/expectations/suite");
/** See the source that it is typed by. */
export const { startSuite } =
  await from<typeof import("../batch/expectations/suite-run.ts")>("batch/expectations/suite-run");
