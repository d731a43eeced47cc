/**
 * A row of tensors that a client has filled itself, in the place of a row of features: it waits in the same batcher, goes
 * into the same runs, and is copied into the run's tensors as it is.
 */

/** Arrays of numbers that a tensor's elements can be in. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

/** A tensor's elements as the runtime takes them, row-major: float16 as its bits, bool as 0 and 1, string as texts. */
export type TensorElements = {
  [index: number]: number | bigint | string;
  readonly length: number;
};

/** Elements in one row from which on the array's own copying is quicker than a loop. */
const LONG_ROW = 64;

/** Row `index` of tensors that lie whole in memory, one of each of the model's inputs, in its signature's order. */
export class TensorRow {
  readonly #tensors: readonly TensorElements[];
  readonly #index: number;

  constructor(tensors: readonly TensorElements[], index: number) {
    this.#tensors = tensors;
    this.#index = index;
  }

  /** Copies the row's elements of one input, `length` of them, into an array of the same kind from `at` on. */
  copy(input: number, length: number, into: TensorElements, at: number): void {
    const from = this.#tensors[input]!;
    const start = this.#index * length;
    if (length >= LONG_ROW && !Array.isArray(from)) {
      (into as Uint8Array).set((from as Uint8Array).subarray(start, start + length), at);
    } else for (let i = 0; i < length; i++) into[at + i] = from[start + i]!;
  }
}

/** All rows of such tensors. */
export function tensorRows(tensors: readonly TensorElements[], count: number): readonly TensorRow[] {
  const rows = new Array<TensorRow>(count);
  for (let row = 0; row < count; row++) rows[row] = new TensorRow(tensors, row);
  return rows;
}
