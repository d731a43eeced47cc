import fc from "fast-check";
import { expect, test } from "vitest";
import { createBatcher } from "./batcher.ts";
import type { FeatureRow } from "./tensor.ts";

/** What one client sends: rows (a negative one fails the run) after so many turns of the loop. */
const request = fc.record({
  turns: fc.integer({ min: 0, max: 3 }),
  rows: fc.array(fc.integer({ min: -1, max: 50 }), { minLength: 0, maxLength: 9 }),
});

test("however requests arrive, each is answered with its own rows or fails for its own", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { maxLength: 20 }),
      fc.integer({ min: 1, max: 8 }),
      async (requests, maxBatchRows) => {
        let underWay = 0;
        const batcher = createBatcher({
          maxBatchRows,
          now: () => 0,
          run: async (take) => {
            expect(++underWay).toBe(1);
            await new Promise((resolve) => setImmediate(resolve));
            const rows = take() as readonly FeatureRow[];
            expect(rows.length).toBeLessThanOrEqual(maxBatchRows);
            underWay--;
            if (rows.some((row) => Number(row[0]) < 0)) throw new Error("negative");
            return { outputs: [rows.map((row) => Number(row[0])), rows.map((row) => `#${row[0]}`)] };
          },
        });
        await Promise.all(
          requests.map(async ({ turns, rows }) => {
            for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
            const answer = await batcher.run(rows.map((row) => [row])).catch((thrown: Error) => thrown.message);
            if (rows.some((row) => row < 0)) return expect(answer).toBe("negative");
            if (typeof answer === "string") return expect.fail(answer);
            const share = answer.result.outputs.map((values) =>
              values.slice(answer.offset, answer.offset + answer.count),
            );
            if (rows.length > 0) expect(share).toEqual([rows, rows.map((row) => `#${row}`)]);
          }),
        );
        await batcher.close();
        expect(batcher.queuedRows).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});
