// Runs of entries side by side with the range proof that a tree has them: what completeness and evidence files are made of.

import type { Bytes } from "./bytes.js";
import { tryDecodeEntry, type Entry } from "./entry.js";
import { Fields, type Parsed } from "./json.js";
import { leafHash, verifyRange, type Hash, type TreeHead } from "./merkle.js";

/** Entries side by side, as read. */
export interface Run { readonly first: bigint; readonly entries: readonly Bytes[]; readonly left: readonly Hash[]; readonly right: readonly Hash[] }

/** Reads a run. */
export function readRun(value: Parsed): Run {
  const fields = new Fields(value, "a run of entries", ["first", "entries", "left", "right"]);
  return { first: fields.u64("first"), entries: fields.base64s("entries"), left: fields.hashes("left"), right: fields.hashes("right") };
}

/** Verifies that the tree has the entries of a run at the place that the run names. */
export function verifyRun(run: Run, head: TreeHead): void {
  verifyRange(run.first, run.entries.map(leafHash), head, run.left, run.right);
}

/** The one entry of a run of one, after the run was found to be in the tree; null if it is no entry, or there are more. */
export function verifyOne(run: Run, head: TreeHead): Entry | null {
  verifyRun(run, head);
  return run.entries.length === 1 ? tryDecodeEntry(run.entries[0]) : null;
}
