/**
 * The folder of an LMDB store as the file system shows it: is it there, is it ours, and what to tell a person when the
 * library could not open, read or write it.
 */

import { channel } from "node:diagnostics_channel";
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { HeadgateError, reasonOf } from "../../errors.ts";
import { lmdbFlaw } from "./lmdb-flaw.ts";

/** LMDB's data file in the store's folder; its lock file lies beside it. */
const DATA_FILE = "data.mdb";

/** Published with `{ message, isOver }` when the file that is open is no more the folder's, and when it is again. */
const storeWarning = channel("headgate:store-warning");

/**
 * Makes the folder if only it is missing and checks what is in it. Throws STORE_UNWRITABLE or STORE_UNREACHABLE naming
 * the folder and the next step; it has changed nothing then.
 */
export function prepareLmdbDirectory(directory: string): void {
  if (makeDirectory(directory)) return;
  try {
    if (!statSync(directory).isDirectory()) {
      throw new HeadgateError("STORE_UNWRITABLE", `${nameOf(directory)} is a file. Name a folder instead.`);
    }
    accessSync(directory, constants.W_OK);
    refuseDamage(directory);
  } catch (cause) {
    throw lmdbFailure(directory, cause);
  }
}

/** What became of a call on the store in `directory`, as the error a person is told. Faults of ours pass through. */
export function lmdbFailure(directory: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof HeadgateError) return cause;
  // lmdb-js puts LMDB's number (negative) or the system's (positive) into `code`; node:fs its name.
  const { code } = cause as { code?: unknown };
  const reason = reasonOf(cause);
  if (REFUSED.has(code)) {
    const remedy = "Give this user the right to write there, or name another folder.";
    return new HeadgateError(
      "STORE_UNWRITABLE",
      `${nameOf(directory)} may not be written (${reason}). ${remedy}`,
      cause,
    );
  }
  if (FULL.has(code)) {
    const remedy = "Free space on its disk and do the same again; what was acknowledged is kept.";
    return new HeadgateError(
      "STORE_UNWRITABLE",
      `${nameOf(directory)} could not be written (${reason}). ${remedy}`,
      cause,
    );
  }
  if (typeof code !== "number" && typeof code !== "string") return cause;
  return new HeadgateError(
    "STORE_UNREACHABLE",
    `${nameOf(directory)} does not answer (${reason}). ${START_ANEW}`,
    cause,
  );
}

const START_ANEW = "If that stays so, move the folder away, then apply and materialize again.";

// EPERM, EACCES, EROFS; ENOSPC, EFBIG, EDQUOT, and EIO, which a write cut short by a full disk ends in; MDB_MAP_FULL.
const REFUSED: ReadonlySet<unknown> = new Set([1, 13, 30, "EPERM", "EACCES", "EROFS"]);
const FULL: ReadonlySet<unknown> = new Set([28, 27, 122, 5, "ENOSPC", "EFBIG", "EDQUOT", "EIO", -30792]);

function nameOf(directory: string): string {
  return `The online store's folder ${directory}`;
}

/** False when something of that name is there already. */
function makeDirectory(directory: string): boolean {
  try {
    mkdirSync(directory);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new HeadgateError(
      "STORE_UNWRITABLE",
      `${nameOf(directory)} could not be made (${reasonOf(cause)}). Make ${dirname(directory)} a folder that can be written, or name another one.`,
      cause,
    );
  }
}

function refuseDamage(directory: string): void {
  const flaw = lmdbFlaw(join(directory, DATA_FILE));
  if (flaw === undefined) return;
  throw new HeadgateError(
    "STORE_UNREACHABLE",
    `${nameOf(directory)} is damaged: its ${DATA_FILE} ${flaw}. ${START_ANEW}`,
  );
}

/** The error of a store that cannot be used any more; `what` ends its sentence. */
export function lmdbUnreachable(directory: string, what: string): HeadgateError {
  return new HeadgateError("STORE_UNREACHABLE", `The online store lmdb:${directory} ${what}`);
}

/** The data file that a store has open: one that was deleted or replaced is read, and written, as if nothing had happened. */
export class OpenDataFile {
  readonly #directory: string;
  readonly #number: number;
  #wasThere = true;

  /** Throws what the file system does where the file is gone already. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#number = statSync(join(directory, DATA_FILE)).ino;
  }

  /** Whether the folder still has it, and tells of it when that is another answer than before. Throws what the file system does. */
  look(): boolean {
    const isThere = this.#numberNow() === this.#number;
    if (isThere !== this.#wasThere && storeWarning.hasSubscribers) {
      const message = isThere
        ? `The online store lmdb:${this.#directory} is there again, as this process opened it.`
        : this.gone().message;
      storeWarning.publish({ message, isOver: isThere });
    }
    this.#wasThere = isThere;
    return isThere;
  }

  /** The error of a store whose file is not there any more. */
  gone(): HeadgateError {
    return lmdbUnreachable(this.#directory, "was deleted or replaced while it was open. Start this process again.");
  }

  #numberNow(): number | undefined {
    return statSync(join(this.#directory, DATA_FILE), { throwIfNoEntry: false })?.ino;
  }
}
