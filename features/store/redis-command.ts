/**
 * A command as its bytes. ioredis makes a command of every argument by itself, 5 to 8 µs for a small one; for rows that
 * is most of what a read or a write costs. So whoever sends many rows writes them into one command here, and the
 * client adds nothing but its queue. Format: RESP, https://redis.io/docs/latest/develop/reference/protocol-spec/
 */

import { Command } from "ioredis";
import type { Argument } from "./redis-script.ts";

const START_BYTES = 16_384;
/** What a writer keeps for the next command; a larger one is let go. */
const KEPT_BYTES = 1_048_576;
const [DOLLAR, STAR, CR, LF, ZERO] = [0x24, 0x2a, 0x0d, 0x0a, 0x30];
/** The most that a length and its line end take. */
const HEAD_BYTES = 16;

/** A command whose bytes are ready. It can be sent again, as a new one of the same bytes. */
export class EncodedCommand extends Command {
  readonly bytes: Buffer;

  constructor(name: string, bytes: Buffer) {
    super(name, []);
    this.bytes = bytes;
  }

  override toWritable(): Buffer {
    return this.bytes;
  }
}

/** A command of any name, its texts of a character a byte. */
export function binaryCommand(name: string, values: readonly Argument[]): Command {
  return new Command(
    name,
    values.map((value) =>
      typeof value === "string"
        ? Buffer.from(value, "latin1")
        : Buffer.from(value.buffer, value.byteOffset, value.length),
    ),
  );
}

/** Writes one command after the other: `begin`, each argument, `end`. */
export class CommandWriter {
  #buffer = Buffer.allocUnsafeSlow(START_BYTES);
  #length = 0;

  /** The command's name counts as an argument. */
  begin(argumentCount: number): void {
    this.#length = 0;
    this.#reserve(HEAD_BYTES);
    this.#head(STAR, argumentCount);
  }

  /** A character is a byte. */
  text(value: string): void {
    this.#reserve(value.length + HEAD_BYTES);
    this.#head(DOLLAR, value.length);
    this.#length += this.#buffer.write(value, this.#length, "latin1");
    this.#lineEnd();
  }

  /** A text or bytes. */
  argument(value: Argument): void {
    if (typeof value === "string") this.text(value);
    else this.bytes(value);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length + HEAD_BYTES);
    this.#head(DOLLAR, value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    this.#lineEnd();
  }

  /** The command's bytes, copied: the writer can begin the next. */
  end(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#length));
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(START_BYTES);
    return bytes;
  }

  #head(sign: number, value: number): void {
    this.#buffer[this.#length++] = sign;
    if (value < 10) this.#buffer[this.#length++] = ZERO + value;
    else if (value < 100) {
      this.#buffer[this.#length++] = ZERO + Math.floor(value / 10);
      this.#buffer[this.#length++] = ZERO + (value % 10);
    } else this.#length += this.#buffer.write(String(value), this.#length, "latin1");
    this.#lineEnd();
  }

  #lineEnd(): void {
    this.#buffer[this.#length++] = CR;
    this.#buffer[this.#length++] = LF;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
