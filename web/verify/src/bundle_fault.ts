// One entry bundle against the leaf hashes that the tree has in its place: which entry was altered, removed, inserted or moved.

import { equalBytes } from "./bytes.js";
import type { FindingKind } from "./kinds.js";

/** What is wrong with a bundle, and the first place of it that is not the tree's. */
export interface BundleFault { readonly kind: FindingKind; readonly at: number }

/**
 * Finds out what was done to a bundle. `tree` has the leaf hashes there should be, `served` those of the entries there are, `rest` is
 * whether bytes follow that are no entry.
 *
 * The two lists are compared as any two versions of a list are: the same hashes in another order were reordered; where what follows
 * the first difference is what follows one place later in the tree, an entry was removed; one place earlier, inserted; all else was
 * altered.
 */
export function compareBundle(tree: readonly Uint8Array[], served: readonly Uint8Array[], rest: boolean): BundleFault | null {
  let at = 0;
  while (at < tree.length && at < served.length && equalBytes(tree[at]!, served[at]!)) at++;
  const fault = (kind: FindingKind): BundleFault => ({ kind, at });
  if (at === tree.length) return served.length > tree.length || rest ? fault("inserted-entry") : null;
  if (at === served.length) return fault("truncated-bundle");
  if (tree.length === served.length && sorted(tree) === sorted(served)) return fault("reordered-entries");
  const [trees, serveds] = [tree.slice(at), served.slice(at)];
  if (agree(trees.slice(1), serveds.slice(1))) return fault("altered-entry");
  if (agree(trees.slice(1), serveds) || (serveds.length < trees.length && isWithin(serveds, trees))) return fault("removed-entry");
  return fault(agree(trees, serveds.slice(1)) ? "inserted-entry" : "altered-entry");
}

/** Whether two lists are the same as far as both go, and go at all. The end of one may have moved into the next bundle. */
function agree(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  const common = Math.min(one.length, other.length);
  if (common === 0) return false;
  for (let at = 0; at < common; at++) if (!equalBytes(one[at]!, other[at]!)) return false;
  return true;
}

const sorted = (hashes: readonly Uint8Array[]): string => hashes.map((hash) => hash.join()).sort().join(";");

/** Whether the first list is the second with some left out. */
function isWithin(part: readonly Uint8Array[], whole: readonly Uint8Array[]): boolean {
  let at = 0;
  return part.every((hash) => {
    while (at < whole.length && !equalBytes(whole[at]!, hash)) at++;
    return at++ < whole.length;
  });
}
