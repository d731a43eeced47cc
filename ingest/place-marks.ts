/**
 * When a partition had come how far: marks of "by then everything below this offset was in the store". Kept for as long
 * back as an answer may be asked for, and few of them: between two marks the older one answers.
 */

/** Marks within a replay's length; an answer is up to one part of so many too far back. */
const MARKS = 64;
/** More than this, when nobody could say for long that the older ones can go: every other one goes. */
const MARKS_MAX = 4 * MARKS;

interface Mark {
  readonly atMs: number;
  /** Below it everything was in the store at `atMs`. */
  readonly offset: bigint;
}

/** What the marks say of a time. */
export interface MarkedPlace {
  readonly offset: bigint;
  /** True when nothing is known from before that time: it is the place where the marks begin. */
  readonly isFirst: boolean;
}

/** The marks of one partition, which begin at an offset. */
export class PlaceMarks {
  readonly #intervalMs: number;
  /** Oldest first, offsets never falling; the first says for all time before the second where the partition was. */
  #marks: readonly Mark[];

  /** `lengthMs` is how far back places are asked for. */
  constructor(firstOffset: bigint, lengthMs: number) {
    this.#marks = [{ atMs: Number.NEGATIVE_INFINITY, offset: firstOffset }];
    this.#intervalMs = lengthMs / MARKS;
  }

  /** Marks that records from the first offset to below the next were applied by now; nobody will ask for before `neededMs`. */
  applied(firstOffset: bigint, nextOffset: bigint, nowMs: number, neededMs: number): void {
    const last = this.#marks.at(-1)!;
    // The partition went back: what was above is applied anew, and is as new as that.
    if (firstOffset < last.offset) this.#clamp(firstOffset);
    if (nowMs - last.atMs < this.#intervalMs) return;
    const needed = this.#marks.findLastIndex(({ atMs }) => atMs <= neededMs);
    const marks = [...this.#marks.slice(Math.max(needed, 0)), { atMs: nowMs, offset: nextOffset }];
    this.#marks = marks.length > MARKS_MAX ? marks.filter((_, i) => i % 2 === 0) : marks;
  }

  /** Where the partition was at a time: everything below was in the store. */
  at(timeMs: number): MarkedPlace {
    const { offset, atMs } = this.#marks.findLast((mark) => mark.atMs <= timeMs) ?? this.#marks[0]!;
    return { offset, isFirst: atMs === Number.NEGATIVE_INFINITY };
  }

  #clamp(offset: bigint): void {
    this.#marks = this.#marks.map((mark) => (mark.offset > offset ? { ...mark, offset } : mark));
  }
}
