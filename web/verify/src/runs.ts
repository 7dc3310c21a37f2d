// Runs of entries side by side with the range proof that a tree has them: what completeness and evidence files are made of.

import type { Bytes } from "./bytes.js";
import { tryDecodeEntry, type Entry } from "./entry.js";
import { base64, hash, list, object, u64, type Reader } from "./json.js";
import { leafHash, verifyRange, type Hash, type TreeHead } from "./merkle.js";

/** Entries side by side, as read. */
export interface Run { readonly first: bigint; readonly entries: readonly Bytes[]; readonly left: readonly Hash[]; readonly right: readonly Hash[] }

/** How a run is read. */
export const run: Reader<Run> = object("a run of entries", { first: u64, entries: list(base64), left: list(hash), right: list(hash) });

/** Verifies that the tree has the entries of a run at the place that the run names. */
export function verifyRun({ first, entries, left, right }: Run, head: TreeHead): void {
  verifyRange(first, entries.map(leafHash), head, left, right);
}

/** The one entry of a run of one, after the run was found to be in the tree; null if it is no entry, or there are more. */
export function verifyOne(one: Run, head: TreeHead): Entry | null {
  verifyRun(one, head);
  return one.entries.length === 1 ? tryDecodeEntry(one.entries[0]) : null;
}
