import fc from "fast-check";
import { expect, test } from "vitest";
import { openLmdbStore } from "../../features/store/lmdb.ts";
import { openMemoryStore } from "../../features/store/memory.ts";
import { openParityProject } from "./fixtures/parity-project.ts";
import { expectedOf, PLANT_KINDS, type PlantName, plant } from "./fixtures/planted.ts";

const kinds = fc.array(fc.constantFrom(...(Object.keys(PLANT_KINDS) as PlantName[])), { minLength: 1, maxLength: 60 });
const STORES = { memory: () => openMemoryStore(), lmdb: (directory: string) => openLmdbStore({ directory }) };

// Each case writes files, loads and compares them.
test.each(Object.keys(STORES) as (keyof typeof STORES)[])(
  "on %s the report equals the plan, whatever is planted",
  { timeout: 240_000 },
  async (name) => {
    await fc.assert(
      fc.asyncProperty(kinds, fc.boolean(), async (planted, isRepaired) => {
        const project = await openParityProject(STORES[name]);
        try {
          await plant(project, planted);
          if (isRepaired) await project.run({ repair: "write" });
          const view = await project.runView();
          const { outcomes, causes, compared } = expectedOf(planted, isRepaired);
          expect(view).toMatchObject({ outcomes, compared });
          expect(Object.fromEntries(view.causes.map(({ cause, entities }) => [cause, entities]))).toEqual(causes);
        } finally {
          await project.close();
        }
      }),
      { numRuns: name === "lmdb" ? 25 : 60 },
    );
  },
);
