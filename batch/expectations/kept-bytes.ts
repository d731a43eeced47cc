/**
 * How much a suite may keep of its columns, all of them together: a bound on each column alone is none on a wide table.
 * One count is shared by every kept column of a run, estimated from what is allocated.
 */

/** 1 GiB: some 60 columns of a million numbers, sorted. */
export const KEPT_BYTES_MAX = 1_073_741_824;

/** The bytes that the columns of one run keep. */
export class KeptBytes {
  readonly max: number;
  #bytes = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Counts bytes that are about to be kept; false, and nothing is counted, where they are too many. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.max) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Why there is no room, as a sentence. */
  get overflow(): string {
    return `The suite would keep more than ${this.max} bytes of its columns, the most for all of them together.`;
  }

  /** Counts bytes that are kept no more. */
  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}
