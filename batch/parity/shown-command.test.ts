import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { compileEntityKey } from "../../features/entity-key.ts";
import { bytes, int64, string, timestamp } from "../../features/field.ts";
import { entityOfKey, rowCommand } from "./shown-command.ts";

const JOIN_KEYS = { customer_id: int64(), name: string(), tag: bytes(), at: timestamp() };
const keyOf = compileEntityKey(JOIN_KEYS);

test("a shell takes the words of a command as they are", () => {
  const names = ["plain", "with space", "it's", '"$HOME"', "ü &|;", "", "a=b"];
  for (const name of names) {
    const command = rowCommand("scores", keyOf([17, 2n ** 60n, name, Uint8Array.from([255, 0])]));
    const words = execFileSync("sh", ["-c", command.replace("headgate", "printf '%s\\n'")], { encoding: "utf8" });
    expect(words.split("\n")).toEqual([
      "features",
      "get",
      "scores",
      "at=17",
      `customer_id=${2n ** 60n}`,
      `name=${name}`,
      "tag=_wA",
      "",
    ]);
  }
  expect(rowCommand("totals", "")).toBe("headgate features get totals");
});

test("an entity is shown as JSON has it, past 2^53 too", () => {
  expect(entityOfKey(keyOf([0, 2n ** 60n, "a b", Uint8Array.from([255, 0])]), JOIN_KEYS)).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    customer_id: 2n ** 60n,
    name: "a b",
    tag: "/wA=",
  });
  expect(entityOfKey("strange", JOIN_KEYS)).toEqual({ entity_key: "strange" });
});
