import { expect, test } from "vitest";
import { whileHeld } from "./held-writes.ts";
import type { RowWrite } from "./store/online-store.ts";

const rows: readonly RowWrite[] = [];

test("a write is refused once the registry is known to be lost, and one that was under way is not told as done", async () => {
  const watch: { problem: string | undefined } = { problem: undefined };
  const wrote: (readonly RowWrite[])[] = [];
  let duringWrite = () => {};
  const store = whileHeld(
    {
      write: async (written) => {
        wrote.push(written);
        duringWrite();
        return ["written"];
      },
    },
    watch,
  );
  expect(await store.write(rows)).toEqual(["written"]);
  duringWrite = () => {
    watch.problem = "Apply.";
  };
  const refused = { code: "REGISTRY_NOT_APPLIED", message: expect.stringContaining("Apply.") };
  await expect(store.write(rows)).rejects.toMatchObject(refused);
  expect(wrote).toHaveLength(2);
  await expect(store.write(rows)).rejects.toMatchObject(refused);
  expect(wrote).toHaveLength(2);
});
