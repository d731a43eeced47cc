import fc from "fast-check";
import { expect, test } from "vitest";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { EntityKeys } from "../features/reader.ts";
import { type RequestContext, readByContext } from "./entity-contexts.ts";

/** A vector that says what it was read by. */
const vectorOf = (entity: EntityKeys, context: RequestContext) => ({ entity, context }) as unknown as FeatureVector;
const read = (entities: readonly EntityKeys[], context: RequestContext) =>
  entities.map((entity) => vectorOf(entity, context));

test("each entity is read by its own context, in its own place, and each context once", async () => {
  const known = [0, 1, 2].map((basket_value) => ({ basket_value }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 2 })), fc.boolean(), async (picked, isAway) => {
      const entities = picked.map((_, customer_id) => ({ customer_id }));
      const contexts = picked.map((i) => known[i]);
      let reads = 0;
      const vectors = await readByContext(entities, contexts, (some, context) => {
        reads++;
        return isAway && context === known[1] ? Promise.resolve(read(some, context)) : read(some, context);
      });
      expect(vectors).toEqual(entities.map((entity, i) => vectorOf(entity, contexts[i])));
      expect(reads).toBe(new Set(picked).size);
    }),
  );
});

test("a context that is refused leaves no reading behind that nobody hears of", async () => {
  const refusing = (_: readonly EntityKeys[], context: RequestContext) => {
    if (context === undefined) throw new Error("refused");
    return Promise.reject(new Error("unheard"));
  };
  expect(() => readByContext([{}, {}], [{}, undefined], refusing)).toThrow("refused");
  await new Promise((heard) => setImmediate(heard));
});
