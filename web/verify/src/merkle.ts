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

const no = (why: string): never => refuse("not-included", why);

/** Refuses a proof that is too long, and hashes that are none. */
function checkHashes(what: string, proof: readonly Uint8Array[], most: number, ...others: readonly Uint8Array[]): void {
  if (proof.length > most) no(`the ${what} has more than ${most} hashes`);
  if ([...proof, ...others].some((hash) => hash.length !== 32)) no(`a hash of the ${what}, or to compare it with, does not have 32 bytes`);
}

/**
 * Verifies that the tree has the subtree [start, end) of this hash: RFC 9162 sections 2.1.3.2 and 2.1.4.2, and their generalisation in
 * draft-ietf-plants-merkle-tree-certs section 4.4. A leaf is a subtree of one, and an older tree one that begins at 0. The caller has checked the bounds.
 */
export function verifySubtree(what: string, start: bigint, end: bigint, hash: Uint8Array, head: TreeHead, proof: readonly Uint8Array[]): void {
  const fails = (why: string): never => no(`the ${what} ${why}`);
  let [fn, sn, tn] = [start, end - 1n, head.size - 1n];
  const shift = (): void => {
    fn >>= 1n;
    sn >>= 1n;
    tn >>= 1n;
  };
  if (sn === tn) while (fn !== sn) shift();
  else while (fn !== sn && (sn & 1n) === 1n) shift();
  let rest = proof;
  let fr = hash;
  if (fn !== sn) {
    fr = rest[0] ?? fails("is empty");
    rest = rest.slice(1);
  }
  let sr = fr;
  for (const c of rest) {
    if (tn === 0n) fails("is too long");
    if ((sn & 1n) === 1n || sn === tn) {
      if (fn < sn) fr = nodeHash(c, fr);
      sr = nodeHash(c, sr);
      while ((sn & 1n) === 0n && sn !== 0n) shift();
    } else {
      sr = nodeHash(sr, c);
    }
    shift();
  }
  if (tn !== 0n) fails("is too short");
  if (!equalBytes(fr, hash) || !equalBytes(sr, head.root)) fails("leads to another root");
}

/** Verifies that the tree has this leaf hash at `index`. */
export function verifyInclusion(index: bigint, head: TreeHead, leaf: Uint8Array, proof: readonly Uint8Array[]): void {
  checkHashes("inclusion proof", proof, MAX_PROOF_HASHES, leaf, head.root);
  if (index >= head.size || index < 0n) no(`index ${index} is not in a tree of size ${head.size}`);
  verifySubtree("inclusion proof", index, index + 1n, leaf, head, proof);
}

/**
 * Verifies that the newer tree begins with the older one.
 *
 * An older tree of size 0 is refused: the proof could show nothing. Callers for whom the empty tree is a prefix of any say so
 * themselves.
 */
export function verifyConsistency(older: TreeHead, newer: TreeHead, proof: readonly Uint8Array[]): void {
  checkHashes("consistency proof", proof, MAX_PROOF_HASHES + 1, older.root, newer.root);
  if (older.size === 0n || older.size > newer.size) no(`no consistency proof leads from size ${older.size} to ${newer.size}`);
  verifySubtree("consistency proof", 0n, older.size, older.root, newer, proof);
}

/** The largest power of two below n, for n > 1. */
export function split(n: bigint): bigint {
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
  checkHashes("left side of the range proof", left, MAX_PROOF_HASHES, head.root);
  checkHashes("right side of the range proof", right, MAX_PROOF_HASHES);
  checkHashes("range", leaves, Infinity);
  if (leaves.length === 0) no("the range is empty");
  const end = first + BigInt(leaves.length);
  if (first < 0n || end > head.size) no(`the range ends at ${end}, the tree at ${head.size}`);
  const root = rangeRoot(first, end, leaves, head.size, left, right);
  if (!equalBytes(root, head.root)) no("the range proof leads to another root");
}

/** The root over [0, size) from the two sides and the leaves between them. Depth is at most that of the tree: 64. */
function rangeRoot(
  first: bigint, end: bigint, leaves: readonly Uint8Array[], size: bigint, left: readonly Uint8Array[], right: readonly Uint8Array[],
): Uint8Array {
  let [nextLeft, nextRight] = [0, 0];
  const tooFew = (): never => no("the range proof has too few hashes");
  // From left to right: of `right`, that meets the hash next to the last leaf first.
  const walk = (from: bigint, to: bigint): Uint8Array => {
    if (to <= first && isPerfect(to - from)) return left[nextLeft++] ?? tooFew();
    if (from >= end) return right[nextRight++] ?? tooFew();
    if (to - from === 1n) return leaves[Number(from - first)]!;
    const middle = from + split(to - from);
    const leftHash = walk(from, middle);
    return nodeHash(leftHash, walk(middle, to));
  };
  const root = walk(0n, size);
  if (nextLeft !== left.length || nextRight !== right.length) no("the range proof has too many hashes");
  return root;
}

const isPerfect = (size: bigint): boolean => (size & (size - 1n)) === 0n;

/** A tree that is grown leaf by leaf: the roots of its perfect subtrees, largest first. At most 2^53 leaves. */
export class CompactRange {
  /** The hashes side by side; there is one for each bit of the length. */
  readonly #hashes = new Uint8Array(54 * 32);
  #held = 0;
  #length = 0;

  /** The range of a tree of this size, from the roots of its perfect subtrees; null unless there is one for each. */
  static from(size: bigint, hashes: readonly Uint8Array[]): CompactRange | null {
    const fits = size < 1n << 53n && hashes.length === perfectSizes(size).length && hashes.every((hash) => hash.length === 32);
    if (!fits) return null;
    const range = new CompactRange();
    hashes.forEach((hash, at) => range.#hashes.set(hash, at * 32));
    range.#held = hashes.length;
    range.#length = Number(size);
    return range;
  }

  /** Leaves so far. */
  get size(): bigint {
    return BigInt(this.#length);
  }

  /** Adds a leaf hash. */
  push(leaf: Uint8Array): void {
    const hashes = this.#hashes;
    hashes.set(leaf, this.#held * 32);
    // Each trailing one of the length is a subtree that this leaf makes twice as large.
    for (let rest = this.#length; rest % 2 === 1; rest = (rest - 1) / 2) {
      this.#held--;
      sha256Into(hashes, this.#held * 32, 0x01, hashes, this.#held * 32, this.#held * 32 + 64);
    }
    this.#held++;
    this.#length++;
  }

  /** The root of the tree. */
  root(): Hash {
    return rootOver(this.#hashes, this.#held);
  }
}

/** The root of a tree from those of its perfect subtrees, which lie side by side, the largest first. */
export function rootOver(hashes: Uint8Array, held: number): Hash {
  if (held === 0) return EMPTY_ROOT;
  const at = (place: number): Uint8Array => hashes.subarray(place * 32, place * 32 + 32);
  let root: Hash = at(held - 1).slice();
  for (let place = held - 2; place >= 0; place--) root = nodeHash(at(place), root);
  return root;
}
