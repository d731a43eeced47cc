import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeTombstone } from "../../features/row-codec.ts";
import { readEventTimestampUs } from "../../features/row-order.ts";
import { gatherEntities } from "./part-entities.ts";
import { RowSpill } from "./row-spill.ts";

const bytesOf = (eventTimestampUs: number) =>
  encodeTombstone({ eventTimestampUs, createdTimestampUs: 0, generation: 1, sourceRank: 0, position: 0 });

const rows = fc.array(fc.record({ id: fc.nat(40), event: fc.nat(5) }), { maxLength: 80 });

test("entities are joined by key, whatever their hashes: the newest of the files, the last of the scan", () => {
  fc.assert(
    fc.property(rows, rows, fc.constantFrom(1, 2 ** 9, 2 ** 31), (files, scan, spread) => {
      const spills = [files, scan].map((side) => {
        const spill = new RowSpill(1);
        // Few hashes, so that many keys have the same one, or one that leads to the same slot.
        for (const { id, event } of side) spill.put(((id % 4) * spread) >>> 0, `id=${id}`, event, bytesOf(event));
        return spill;
      });
      const [offline, online] = spills as [RowSpill, RowSpill];
      const entities = gatherEntities(files.length + scan.length, offline.take(0), online.take(0));
      for (const spill of spills) spill.close();

      const expected = new Map<string, { offline?: number; scanned?: number }>();
      for (const { id, event } of files) {
        const known = expected.get(`id=${id}`)?.offline ?? event;
        expected.set(`id=${id}`, { offline: Math.max(known, event) });
      }
      for (const { id, event } of scan) expected.set(`id=${id}`, { ...expected.get(`id=${id}`), scanned: event });
      expect(
        entities.map(({ key, offline, scanned }) => [
          key,
          { ...(offline && { offline: offline.file }), ...(scanned && { scanned: readEventTimestampUs(scanned) }) },
        ]),
      ).toEqual([...expected]);
      for (const { offline } of entities) if (offline) expect(readEventTimestampUs(offline.bytes)).toBe(offline.file);
    }),
  );
});

test("nothing is joined to nothing", () => {
  expect(gatherEntities(0, [], undefined)).toEqual([]);
});
