import { expect, it } from "vitest";
import { endingAll } from "./ends.ts";

it("ends what was kept, the last one first, also where the work or a start fails", async () => {
  const ended: string[] = [];
  const server = (name: string) => ({ name, stop: async () => void ended.push(name) });
  const answer = await endingAll(async (keep) => {
    await keep({ remove: () => void ended.push("folder") });
    return (await keep(Promise.resolve(server("server")))).name;
  });
  expect(answer).toBe("server");
  expect(ended.splice(0)).toEqual(["server", "folder"]);
  const failing = endingAll(async (keep) => {
    await keep(server("first"));
    await keep(Promise.reject<ReturnType<typeof server>>(new Error("no start")));
  });
  await expect(failing).rejects.toThrow("no start");
  expect(ended).toEqual(["first"]);
});
