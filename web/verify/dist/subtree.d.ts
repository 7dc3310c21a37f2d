import { type TreeHead } from "./merkle.js";
/** Whether [start, end) is a subtree of every tree of at least `end` leaves. */
export declare function isSubtree(start: bigint, end: bigint): boolean;
/** Verifies that the subtree [start, end) of this hash has this leaf hash at `index`. */
export declare function verifySubtreeInclusion(index: bigint, start: bigint, end: bigint, leaf: Uint8Array, proof: readonly Uint8Array[], hash: Uint8Array): void;
/** Verifies that the tree has a subtree [start, end) of this hash. */
export declare function verifySubtreeConsistency(start: bigint, end: bigint, hash: Uint8Array, head: TreeHead, proof: readonly Uint8Array[]): void;
