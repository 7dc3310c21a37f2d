import type { Hash } from "../merkle.js";
import { type Lanes } from "../lanes.js";
import { type Frames } from "../tile.js";
/** Bytes of a full tile. */
export declare const TILE_BYTES: number;
export declare const END: number;
/** Bytes of a statement entry. */
export declare const STATEMENT_BYTES = 54;
/** Hashes bundles and tiles. Its memory is written anew by each call: what a call returns holds until the next one, unless it is a copy. */
export declare class Batch {
    private readonly lanes;
    private readonly memory;
    constructor(lanes: Lanes | null);
    /** The leaf hashes of the entries of a bundle, side by side. */
    leaves(bundle: Uint8Array, frames: Frames): Uint8Array;
    /** The hashes that the entries of the bundle that was hashed last have in their streams' trees; meaningless for those that are no statements. */
    streamLeaves(bundle: Uint8Array, frames: Frames): Uint8Array;
    /** The root over so many hashes that lie side by side from `from` on, a power of two of them; a copy. */
    root(hashes: Uint8Array, from: number, count: number): Hash;
    /**
     * Adds leaf hashes to a tree, of which `roots` holds the roots of the perfect subtrees, the largest first, and `size` the number of leaves: one
     * subtree for each bit. At most 255 leaves. Writes the new roots, and returns how many there are.
     */
    append(roots: Uint8Array, size: number, leaves: Uint8Array, count: number): number;
    /** The node hashes of so many pairs, written side by side: over what was read, but never over what is still to be read. */
    private fold;
}
/** The one that the audits of this thread share. */
export declare const batch: () => Batch;
/** The audits of this thread share this one from now on. */
export declare function share(batch: Batch): void;
