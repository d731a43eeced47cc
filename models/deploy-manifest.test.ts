import { expect, test } from "vitest";
import { storedManifest } from "./deploy-manifest.ts";
import { MANIFEST_MAX_BYTES } from "./repository-reads.ts";

const SUMS = new Map([["model.onnx", { sha256: "a".repeat(64), bytes: 1 }]]);

/** A manifest of so many bytes in one line; its examples have so many features. */
function manifestOf(bytes: number, features: number) {
  const names = Array.from({ length: features }, (_, i) => `f${i}`);
  const inputs = Object.fromEntries(names.map((name) => [name, 1]));
  const one = JSON.stringify({ inputs, outputs: { mean: 1 } }).length + 1;
  const examples = Array.from({ length: Math.floor(bytes / one) }, () => ({ inputs, outputs: { mean: 1 } }));
  const text = JSON.stringify({ service: "s", inputs: { X: names }, outputs: { mean: "Y" }, examples });
  return { text, file: "m/model.json" };
}

test("a manifest is stored in lines, and in one where lines would make it too large to be read again", () => {
  expect(storedManifest(manifestOf(1_000, 3), SUMS, {})).toContain('\n  "service": "s"');
  const large = storedManifest(manifestOf(0.9 * MANIFEST_MAX_BYTES, 1_000), SUMS, {});
  expect(large.split("\n")).toHaveLength(2);
  expect(Buffer.byteLength(large)).toBeLessThanOrEqual(MANIFEST_MAX_BYTES);
  expect(JSON.parse(large).files["model.onnx"].bytes).toBe(1);
});

test("one that is too large however it is written is refused", () => {
  expect(() => storedManifest(manifestOf(1.1 * MANIFEST_MAX_BYTES, 1_000), SUMS, {})).toThrow(
    /^m\/model\.json: has \d+ bytes .*, more than the 4194304 that can be read; take examples out\.$/,
  );
});
