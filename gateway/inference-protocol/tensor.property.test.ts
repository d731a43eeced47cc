import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../features/json-text.ts";
import { decodeFloat16, encodeFloat16 } from "../../models/float16.ts";
import { readBinary, writeBinary } from "./binary-tensor.ts";
import { DATATYPE_NAMES, type Datatype, datatypeNamed } from "./datatype.ts";
import { readJsonTensor, writeJsonTensor } from "./json-tensor.ts";

const DATATYPES = DATATYPE_NAMES.split(", ").map((name) => datatypeNamed(name)!);
type Element = number | bigint | string;

/** An element as a tensor's array holds it. */
function elementOf({ array, name, range, type }: Datatype): fc.Arbitrary<Element> {
  if (name === "BYTES") return fc.string({ unit: "grapheme", maxLength: 20 });
  if (name === "BOOL") return fc.integer({ min: 0, max: 1 });
  if (type === "float16") return fc.float().map(encodeFloat16);
  if (type === "float32") return fc.float();
  if (range === undefined) return fc.double();
  const integer = fc.bigInt(range[0], range[1]);
  return array === BigInt64Array || array === BigUint64Array ? integer : integer.map(Number);
}

function arrayOf({ array }: Datatype, elements: readonly Element[]) {
  if (array === undefined) return [...elements];
  const into = new array(elements.length) as unknown as Element[];
  for (const [i, element] of elements.entries()) into[i] = element;
  return into;
}

test.each(DATATYPES)(
  "$name keeps every element, as bytes wherever they lie and as JSON flat and nested",
  (datatype) => {
    fc.assert(
      fc.property(fc.array(elementOf(datatype), { maxLength: 24 }), fc.nat({ max: 7 }), (given, offset) => {
        const elements = arrayOf(datatype, given);
        const bytes = writeBinary(datatype, elements);
        const body = new Uint8Array(offset + bytes.length);
        body.set(bytes, offset);
        expect(readBinary(datatype, body.subarray(offset), given.length, "x")).toEqual(elements);
        const told = parseJson(writeJsonTensor(datatype, elements)) as unknown[];
        // A half's NaNs are all one in JSON.
        const kept =
          datatype.type === "float16"
            ? arrayOf(
                datatype,
                given.map((bits) => encodeFloat16(decodeFloat16(Number(bits)))),
              )
            : elements;
        expect(readJsonTensor(datatype, told, [given.length], "x")).toEqual(kept);
        const nested = told.map((one) => [one]);
        expect(readJsonTensor(datatype, nested, [given.length, 1], "x")).toEqual(kept);
      }),
    );
  },
);

test.each(DATATYPES)("$name: any bytes under any shape are read whole or refused, never past their end", (datatype) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 70 }), (bytes, count) => {
      let elements: ReturnType<typeof readBinary>;
      try {
        elements = readBinary(datatype, bytes, count, "x");
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "REQUEST_INVALID" });
        return;
      }
      expect(elements).toHaveLength(count);
      expect(Buffer.from(writeBinary(datatype, elements))).toEqual(Buffer.from(bytes));
    }),
  );
});
