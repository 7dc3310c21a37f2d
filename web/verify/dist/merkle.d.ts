import { type Bytes } from "./bytes.js";
/** A hash: 32 bytes. */
export type Hash = Bytes;
/** Size and root of a tree. */
export interface TreeHead {
    readonly size: bigint;
    readonly root: Hash;
}
/** Most hashes on a side of a proof: no tree of 64-bit size has a longer path. */
export declare const MAX_PROOF_HASHES = 64;
/** The root of the empty tree: SHA-256 of no bytes. */
export declare const EMPTY_ROOT: Hash;
/** SHA-256(0x00 || entry). */
export declare function leafHash(entry: Uint8Array): Hash;
/** SHA-256(0x01 || left || right). */
export declare function nodeHash(left: Uint8Array, right: Uint8Array): Hash;
/**
 * Verifies that the tree has the subtree [start, end) of this hash: RFC 9162 sections 2.1.3.2 and 2.1.4.2, and their generalisation in
 * draft-ietf-plants-merkle-tree-certs section 4.4. A leaf is a subtree of one, and an older tree one that begins at 0. The caller has checked the bounds.
 */
export declare function verifySubtree(what: string, start: bigint, end: bigint, hash: Uint8Array, head: TreeHead, proof: readonly Uint8Array[]): void;
/** Verifies that the tree has this leaf hash at `index`. */
export declare function verifyInclusion(index: bigint, head: TreeHead, leaf: Uint8Array, proof: readonly Uint8Array[]): void;
/**
 * Verifies that the newer tree begins with the older one.
 *
 * An older tree of size 0 is refused: the proof could show nothing. Callers for whom the empty tree is a prefix of any say so
 * themselves.
 */
export declare function verifyConsistency(older: TreeHead, newer: TreeHead, proof: readonly Uint8Array[]): void;
/** The largest power of two below n, for n > 1. */
export declare function split(n: bigint): bigint;
/**
 * The sizes of the perfect subtrees of the leaves [0, size), left to right: what a compact range that begins at 0 consists of.
 */
export declare function perfectSizes(size: bigint): bigint[];
/**
 * Verifies that the tree has these leaf hashes at `first` and after.
 *
 * `left` are the roots of the maximal perfect subtrees of [0, first), left to right; `right` has one hash for each sibling on
 * the path of the last leaf that lies wholly right of the range, the one next to the leaf first.
 */
export declare function verifyRange(first: bigint, leaves: readonly Uint8Array[], head: TreeHead, left: readonly Uint8Array[], right: readonly Uint8Array[]): void;
/** A tree that is grown leaf by leaf: the roots of its perfect subtrees, largest first. At most 2^53 leaves. */
export declare class CompactRange {
    #private;
    /** The range of a tree of this size, from the roots of its perfect subtrees; null unless there is one for each. */
    static from(size: bigint, hashes: readonly Uint8Array[]): CompactRange | null;
    /** Leaves so far. */
    get size(): bigint;
    /** Adds a leaf hash. */
    push(leaf: Uint8Array): void;
    /** The root of the tree. */
    root(): Hash;
}
/** The root of a tree from those of its perfect subtrees, which lie side by side, the largest first. */
export declare function rootOver(hashes: Uint8Array, held: number): Hash;
