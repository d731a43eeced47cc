import { expect, test } from "vitest";
import { intern, readInterned } from "./intern-table.ts";
import { openMemoryStore } from "./store/memory.ts";

test("a text has one id, another text another, and an id gives its text back", async () => {
  const { control } = openMemoryStore();
  const [a, b, again] = [
    await intern(control, "t", "a"),
    await intern(control, "t", "b"),
    await intern(control, "t", "a"),
  ];
  expect([a, b, again]).toEqual([1, 2, 1]);
  expect(await readInterned(control, "t", 2)).toBe("b");
  expect(await readInterned(control, "t", 3)).toBeUndefined();
});

test("an id that holds another text is passed over, never taken for this one", async () => {
  const { control } = openMemoryStore();
  await control.compareAndSet("t/1", undefined, Buffer.from("a text whose counter was lost"));
  expect(await intern(control, "t", "b")).toBe(2);
  expect(await readInterned(control, "t", 1)).toBe("a text whose counter was lost");
  expect(await readInterned(control, "t", 2)).toBe("b");
});

test("many at once still agree on one id a text", async () => {
  const { control } = openMemoryStore();
  const texts = Array.from({ length: 60 }, (_, i) => `text ${i % 6}`);
  const ids = await Promise.all(texts.map((text) => intern(control, "t", text)));
  for (const [i, id] of ids.entries()) {
    expect(id).toBe(ids[i % 6]);
    expect(await readInterned(control, "t", id)).toBe(texts[i]);
  }
  expect(new Set(ids).size).toBe(6);
});
