// RFC 6962 trees: hashes, and the verifiers of inclusion (RFC 9162 section 2.1.3.2), consistency (2.1.4.2) and range proofs.
// Sizes and indexes are bigint: they have 64 bits. Every proof is bounded before a hash is computed.

import { equalBytes, type Bytes } from "./bytes.js";
import { refuse } from "./errors.js";
import { sha256, sha256Into } from "./sha256.js";

/** A hash: 32 bytes. */
export type Hash = Bytes;

/** Size and root of a tree. */
export interface TreeHead { readonly size: bigint; readonly root: Hash }

/** Most hashes on a side of a proof: no tree of 64-bit size has a longer path. */
export const MAX_PROOF_HASHES = 64;

/** The root of the empty tree: SHA-256 of no bytes. */
export const EMPTY_ROOT: Hash = sha256(new Uint8Array(0));

/** SHA-256(0x00 || entry). */
export function leafHash(entry: Uint8Array): Hash {
  const out = new Uint8Array(32);
  sha256Into(out, 0, 0x00, entry, 0, entry.length);
  return out;
}

const PAIR = new Uint8Array(64);

/** SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Hash {
  PAIR.set(left, 0);
  PAIR.set(right, 32);
  const out = new Uint8Array(32);
  sha256Into(out, 0, 0x01, PAIR, 0, 64);
  return out;
}

function checkHashes(what: string, hashes: readonly Uint8Array[], most: number): void {
  if (hashes.length > most) refuse("not-included", `the ${what} has ${hashes.length} hashes, more than ${most}`);
  if (hashes.some((hash) => hash.length !== 32)) refuse("not-included", `a hash of the ${what} does not have 32 bytes`);
}

function checkGiven(hashes: readonly Uint8Array[]): void {
  if (hashes.some((hash) => hash.length !== 32)) refuse("not-included", "a hash to compare with does not have 32 bytes");
}

function checkRoot(computed: Uint8Array, root: Uint8Array): void {
  if (!equalBytes(computed, root)) refuse("not-included", "the proof leads to another root");
}

/** Verifies that the tree has this leaf hash at `index`. */
export function verifyInclusion(index: bigint, head: TreeHead, leaf: Uint8Array, proof: readonly Uint8Array[]): void {
  checkHashes("inclusion proof", proof, MAX_PROOF_HASHES);
  checkGiven([leaf, head.root]);
  if (index >= head.size || index < 0n) refuse("not-included", `index ${index} is not in a tree of size ${head.size}`);
  let fn = index;
  let sn = head.size - 1n;
  let r: Uint8Array = leaf;
  for (const p of proof) {
    if (sn === 0n) refuse("not-included", "the inclusion proof is too long");
    if ((fn & 1n) === 1n || fn === sn) {
      r = nodeHash(p, r);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      r = nodeHash(r, p);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) refuse("not-included", "the inclusion proof is too short");
  checkRoot(r, head.root);
}

/**
 * Verifies that the newer tree begins with the older one.
 *
 * An older tree of size 0 is refused: the proof could show nothing. Callers for whom the empty tree is a prefix of any say so
 * themselves.
 */
export function verifyConsistency(older: TreeHead, newer: TreeHead, proof: readonly Uint8Array[]): void {
  checkHashes("consistency proof", proof, MAX_PROOF_HASHES + 1);
  checkGiven([older.root, newer.root]);
  if (older.size === 0n || older.size > newer.size) {
    refuse("not-included", `no consistency proof leads from size ${older.size} to ${newer.size}`);
  }
  if (older.size === newer.size) {
    if (proof.length > 0) refuse("not-included", "the consistency proof of equal sizes is not empty");
    return checkRoot(older.root, newer.root);
  }
  const isPower = (older.size & (older.size - 1n)) === 0n;
  const path = isPower ? [older.root, ...proof] : proof;
  if (proof.length === 0) refuse("not-included", "the consistency proof is empty");
  let fn = older.size - 1n;
  let sn = newer.size - 1n;
  while ((fn & 1n) === 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  let fr = path[0]!;
  let sr = path[0]!;
  for (const c of path.slice(1)) {
    if (sn === 0n) refuse("not-included", "the consistency proof is too long");
    if ((fn & 1n) === 1n || fn === sn) {
      fr = nodeHash(c, fr);
      sr = nodeHash(c, sr);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      sr = nodeHash(sr, c);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) refuse("not-included", "the consistency proof is too short");
  checkRoot(fr, older.root);
  checkRoot(sr, newer.root);
}

/** The largest power of two below n, for n > 1. */
function split(n: bigint): bigint {
  return 1n << BigInt((n - 1n).toString(2).length - 1);
}

/**
 * The sizes of the perfect subtrees of the leaves [0, size), left to right: what a compact range that begins at 0 consists of.
 */
export function perfectSizes(size: bigint): bigint[] {
  const sizes: bigint[] = [];
  for (let bit = 63n; bit >= 0n; bit--) if ((size >> bit) & 1n) sizes.push(1n << bit);
  return sizes;
}

/**
 * Verifies that the tree has these leaf hashes at `first` and after.
 *
 * `left` are the roots of the maximal perfect subtrees of [0, first), left to right; `right` has one hash for each sibling on
 * the path of the last leaf that lies wholly right of the range, the one next to the leaf first.
 */
export function verifyRange(
  first: bigint, leaves: readonly Uint8Array[], head: TreeHead, left: readonly Uint8Array[], right: readonly Uint8Array[],
): void {
  checkHashes("left side of the range proof", left, MAX_PROOF_HASHES);
  checkHashes("right side of the range proof", right, MAX_PROOF_HASHES);
  checkGiven([head.root]);
  checkGiven(leaves);
  if (leaves.length === 0) refuse("not-included", "the range is empty");
  const end = first + BigInt(leaves.length);
  if (first < 0n || end > head.size) refuse("not-included", `the range ends at ${end}, the tree at ${head.size}`);
  const root = rangeRoot(first, end, leaves, head.size, left, right);
  checkRoot(root, head.root);
}

/** The root over [0, size) from the two sides and the leaves between them. Depth is at most that of the tree: 64. */
function rangeRoot(
  first: bigint, end: bigint, leaves: readonly Uint8Array[], size: bigint, left: readonly Uint8Array[], right: readonly Uint8Array[],
): Uint8Array {
  let nextLeft = 0;
  // The first of `right` is next to the leaf, and the walk from the root meets it last.
  let nextRight = right.length;
  const take = (side: readonly Uint8Array[], at: number): Uint8Array =>
    side[at] ?? refuse("not-included", "the range proof has too few hashes");
  const walk = (from: bigint, to: bigint): Uint8Array => {
    if (to <= first && isPerfect(to - from)) return take(left, nextLeft++);
    if (from >= end) return take(right, --nextRight);
    if (to - from === 1n) return leaves[Number(from - first)]!;
    const middle = from + split(to - from);
    if (from >= first && to <= end) return nodeHash(walk(from, middle), walk(middle, to));
    // What is right of the range is read first: from the root down its hashes come last to first.
    if (middle >= end) {
      const rightHash = walk(middle, to);
      return nodeHash(walk(from, middle), rightHash);
    }
    const leftHash = walk(from, middle);
    return nodeHash(leftHash, walk(middle, to));
  };
  const root = walk(0n, size);
  if (nextLeft !== left.length || nextRight !== 0) refuse("not-included", "the range proof has too many hashes");
  return root;
}

const isPerfect = (size: bigint): boolean => (size & (size - 1n)) === 0n;

/** A tree that is grown leaf by leaf: the roots of its perfect subtrees, largest first. At most 2^53 leaves. */
export class CompactRange {
  /** The hashes side by side; there is one for each bit of the length. */
  private readonly hashes = new Uint8Array(54 * 32);
  private held = 0;
  private length = 0;

  private constructor() {}

  /** The empty range. */
  static empty(): CompactRange {
    return new CompactRange();
  }

  /** The range of a tree of this size, from the roots of its perfect subtrees; null unless there is one for each. */
  static from(size: bigint, hashes: readonly Uint8Array[]): CompactRange | null {
    const fits = size < 1n << 53n && hashes.length === perfectSizes(size).length && hashes.every((hash) => hash.length === 32);
    if (!fits) return null;
    const range = new CompactRange();
    hashes.forEach((hash, at) => range.hashes.set(hash, at * 32));
    range.held = hashes.length;
    range.length = Number(size);
    return range;
  }

  /** Leaves so far. */
  get size(): bigint {
    return BigInt(this.length);
  }

  /** Adds a leaf hash. */
  push(leaf: Uint8Array): void {
    const { hashes } = this;
    hashes.set(leaf, this.held * 32);
    // Each trailing one of the length is a subtree that this leaf makes twice as large.
    for (let rest = this.length; rest % 2 === 1; rest = (rest - 1) / 2) {
      this.held--;
      sha256Into(hashes, this.held * 32, 0x01, hashes, this.held * 32, this.held * 32 + 64);
    }
    this.held++;
    this.length++;
  }

  /** The root of the tree. */
  root(): Hash {
    if (this.held === 0) return EMPTY_ROOT;
    const at = (place: number): Uint8Array => this.hashes.subarray(place * 32, place * 32 + 32);
    let root = at(this.held - 1).slice();
    for (let place = this.held - 2; place >= 0; place--) root = nodeHash(at(place), root);
    return root;
  }
}
