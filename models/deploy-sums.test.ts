import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { gradualSums } from "./deploy-sums.ts";
import { sha256Of } from "./file-sums.ts";

test("the sums are those of the whole files, whatever their length", async () => {
  const files = [0, 1, 1_048_576, 1_048_577, 3_000_000].map((length) => ({
    name: `${length}`,
    bytes: randomBytes(length),
  }));
  const sums = await gradualSums(files);
  for (const { name, bytes } of files) {
    expect(sums.get(name)).toEqual({ bytes: bytes.length, sha256: sha256Of(bytes) });
  }
});

test("others have their turn in between", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await gradualSums([{ name: "m", bytes: new Uint8Array(64 * 1_048_576) }]);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(2);
});
