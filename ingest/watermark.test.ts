import { expect, test } from "vitest";
import { Watermark } from "./watermark.ts";

test("the watermark only rises, and lateness is what events are behind it since it was last asked", () => {
  const watermark = new Watermark();
  expect(watermark.take()).toEqual({ watermarkUs: Number.NEGATIVE_INFINITY, lateEvents: 0, latenessMaxUs: 0 });
  for (const us of [100, 300, 250, 120, 300]) watermark.observe(us);
  expect(watermark.take()).toEqual({ watermarkUs: 300, lateEvents: 2, latenessMaxUs: 180 });
  expect(watermark.take()).toEqual({ watermarkUs: 300, lateEvents: 0, latenessMaxUs: 0 });
});
