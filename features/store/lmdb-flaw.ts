/**
 * A look at an LMDB data file before the library gets it, because the library does not survive a bad one: it crashes the
 * process on a foreign file, and on one whose root pages are cut off or overwritten. So the two meta pages and the root
 * page of every tree are checked here; damage deeper inside is LMDB's to find.
 *
 * Layout: MDB_page, MDB_meta, MDB_db and MDB_node of lmdb-js' liblmdb/mdb.c, data version 2, 64 bit, little-endian. Only
 * roots tell that a file was cut short: its last pages may rightly be missing while they are free.
 */

import { closeSync, openSync, readSync } from "node:fs";

/** What is wrong with a data file, as "is not …"; undefined when it is absent, empty or sound so far as its roots tell. */
export function lmdbFlaw(file: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
  try {
    const read: ReadPage = (offset, bytes) => {
      const page = Buffer.alloc(bytes);
      return page.subarray(0, readSync(descriptor, page, 0, bytes, offset));
    };
    return flawOf(read);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads up to `bytes` at an offset: fewer at the file's end. */
type ReadPage = (offset: number, bytes: number) => Buffer;

const META_BYTES = 160;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const NO_ROOT = 2 ** 64;
/** Flags of a page. */
const BRANCH = 0x01;
const LEAF = 0x02;
const META = 0x08;
/** Where a page's node offsets begin, and a node's key. */
const PAGE_HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
/** A node's flag: its value is the record of a named database. */
const SUBDATABASE = 0x02;
/** Looks at a file that others are writing; each look fails only if a commit falls into it. */
const MAX_LOOKS = 20;

function flawOf(read: ReadPage): string | undefined {
  const first = read(0, META_BYTES);
  // Another process has just made it.
  if (first.length === 0) return undefined;
  if (!isMeta(first)) return "is not an LMDB file";
  if (first.readUInt16LE(28) !== DATA_VERSION) return "is of another version of LMDB";
  const pageBytes = first.readUInt32LE(48);
  for (let look = 1; ; look++) {
    const meta = newestMeta(read, pageBytes);
    if (meta !== undefined && areRootsSound(read, pageBytes, meta)) return undefined;
    // Pages that a commit has freed in the meantime may hold something else by now.
    const now = newestMeta(read, pageBytes);
    if (look === MAX_LOOKS || meta === undefined || now === undefined || transactionOf(now) === transactionOf(meta)) {
      return "has lost pages that it needs";
    }
  }
}

function isMeta(page: Buffer): boolean {
  return page.length === META_BYTES && page.readUInt32LE(24) === MAGIC && (page.readUInt16LE(18) & META) !== 0;
}

function newestMeta(read: ReadPage, pageBytes: number): Buffer | undefined {
  const metas = [read(0, META_BYTES), read(pageBytes, META_BYTES)];
  if (!metas.every(isMeta)) return undefined;
  return transactionOf(metas[0]!) > transactionOf(metas[1]!) ? metas[0] : metas[1];
}

function transactionOf(meta: Buffer): bigint {
  return meta.readBigUInt64LE(152);
}

/** The roots of the free list and of the main tree, and of the named databases which that lists in its root. */
function areRootsSound(read: ReadPage, pageBytes: number, meta: Buffer): boolean {
  const main = numberAt(meta, 136);
  if (!isRootSound(read, pageBytes, numberAt(meta, 88)) || !isRootSound(read, pageBytes, main)) return false;
  if (main === NO_ROOT) return true;
  return namedRoots(read(main * pageBytes, pageBytes)).every((root) => isRootSound(read, pageBytes, root));
}

function isRootSound(read: ReadPage, pageBytes: number, root: number): boolean {
  if (root === NO_ROOT) return true;
  const page = read(root * pageBytes, pageBytes);
  return page.length === pageBytes && numberAt(page, 0) === root && (page.readUInt16LE(18) & (BRANCH | LEAF)) !== 0;
}

/** A page number; NO_ROOT, being 2^64 − 1, becomes 2^64. */
function numberAt(page: Buffer, offset: number): number {
  return Number(page.readBigUInt64LE(offset));
}

function namedRoots(page: Buffer): number[] {
  const roots: number[] = [];
  if ((page.readUInt16LE(18) & LEAF) === 0) return roots;
  const end = Math.min(page.readUInt16LE(20), page.length);
  for (let at = PAGE_HEADER_BYTES; at < end; at += 2) {
    const node = page.readUInt16LE(at);
    if ((page.readUInt16LE(node + 4) & SUBDATABASE) === 0) continue;
    roots.push(numberAt(page, node + NODE_HEADER_BYTES + page.readUInt16LE(node + 6) + 40));
  }
  return roots;
}
