import { expect, it } from "vitest";
import { feastKeys, feastRow } from "./feast-layout.ts";

it("lays a row out as Feast does", () => {
  expect(feastKeys("driver_id", "p")(1_001).toString("hex")).toBe(
    `${"01000000"}${"02000000"}${"09000000"}${Buffer.from("driver_id").toString("hex")}${"04000000"}${"08000000"}${"e903000000000000"}70`,
  );
  const [timestampField, timestamp, , orders, , rate] = feastRow(
    { name: "v", features: { orders: "integer", rate: "float" } },
    [300, 0.5],
    1_500,
  );
  expect(timestampField!.toString()).toBe("_ts:v");
  expect(timestamp!.toString("hex")).toBe("08011080cab5ee01");
  expect(orders!.toString("hex")).toBe("20ac02");
  expect(rate!.toString("hex")).toBe("350000003f");
});
