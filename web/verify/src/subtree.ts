// Subtrees (draft-ietf-plants-merkle-tree-certs section 4): what a cosignature of type 0x06 may cover instead of a whole tree.

import { equalBytes } from "./bytes.js";
import { refuse } from "./errors.js";
import { EMPTY_ROOT, MAX_PROOF_HASHES, verifyInclusion, verifySubtree, type TreeHead } from "./merkle.js";

/** Whether [start, end) is a subtree of every tree of at least `end` leaves. */
export function isSubtree(start: bigint, end: bigint): boolean {
  if (start < 0n || start > end) return false;
  const size = end - start;
  if (size <= 1n || start === 0n) return true;
  const ceil = 1n << BigInt((size - 1n).toString(2).length);
  return start % ceil === 0n;
}

/** Verifies that the subtree [start, end) of this hash has this leaf hash at `index`. */
export function verifySubtreeInclusion(
  index: bigint, start: bigint, end: bigint, leaf: Uint8Array, proof: readonly Uint8Array[], hash: Uint8Array,
): void {
  if (!isSubtree(start, end)) refuse("not-included", `[${start}, ${end}) is not a subtree`);
  if (index < start) refuse("not-included", "the index is left of the subtree");
  verifyInclusion(index - start, { size: end - start, root: hash.slice() }, leaf, proof);
}

/** Verifies that the tree has a subtree [start, end) of this hash. */
export function verifySubtreeConsistency(
  start: bigint, end: bigint, hash: Uint8Array, head: TreeHead, proof: readonly Uint8Array[],
): void {
  const no = (why: string): never => refuse("not-included", `the subtree consistency proof ${why}`);
  if (!isSubtree(start, end) || end > head.size) no("is of no subtree of the tree");
  if (proof.length > MAX_PROOF_HASHES + 1 || [hash, head.root, ...proof].some((one) => one.length !== 32)) no("is malformed");
  if (start === end) {
    if (proof.length > 0 || !equalBytes(hash, EMPTY_ROOT)) no("is of no empty subtree");
    return;
  }
  verifySubtree("subtree consistency proof", start, end, hash, head, proof);
}
