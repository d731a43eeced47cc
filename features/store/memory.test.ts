import { expect, it } from "vitest";
import { describeOnlineStore } from "./conformance.ts";
import { openMemoryStore } from "./memory.ts";
import { rowWrite } from "./test-fixtures/rows.ts";

describeOnlineStore("memory", { open: async () => openMemoryStore() });

it("keeps with a row what its reader made of it, until the row changes", async () => {
  const store = openMemoryStore();
  const read = async () => (await store.read([{ key: "id=1", fields: ["view"] }]))[0]!.rows[0]!;
  await store.write([rowWrite("id=1", 1, "x")]);
  (await read()).decoded = "made";
  expect((await read()).decoded).toBe("made");
  await store.write([rowWrite("id=1", 2, "y")]);
  expect((await read()).decoded).toBeUndefined();
});
