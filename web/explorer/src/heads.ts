// Two heads of one log: whether one tree contains the other.

import { equalBytes, Prover, type ReadObject, type TreeHead } from "@vouchlog/verify";

/** What two heads show about the log that signed both. */
export type Comparison =
  /** The same head. */
  | "same"
  /** The served tree contains the known one. */
  | "consistent"
  /** The served tree is smaller, and part of the known one: an old view, or a log that was set back. */
  | "smaller"
  /** The log signed two trees of which neither contains the other: it shows different histories. */
  | "fork"
  /** What the log serves proves neither. */
  | "unproven";

/**
 * Compares a head that is known with the one that the log serves now. Both must have been opened with the log's key.
 *
 * `unproven` is the answer whenever the tiles do not prove one of the others; it is never taken for consistent.
 */
export async function compareHeads(read: ReadObject, known: TreeHead, served: TreeHead): Promise<Comparison> {
  if (known.size === served.size) return equalBytes(known.root, served.root) ? "same" : "fork";
  const isOlder = known.size < served.size;
  const [older, newer] = isOlder ? [known, served] : [served, known];
  // SPEC: the empty tree is a prefix of every other.
  if (older.size === 0n) return isOlder ? "consistent" : "smaller";
  const root = await new Prover(read, newer).rootAt(older.size);
  if (root === null) return "unproven";
  if (!equalBytes(root, older.root)) return "fork";
  return isOlder ? "consistent" : "smaller";
}
