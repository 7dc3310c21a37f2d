import { type Hash, type TreeHead } from "../merkle.js";
/** The root of a full tile. */
export declare const tileRoot: (hashes: Uint8Array) => Hash;
/** A tile that a larger one completed. */
export type OnFull = (level: number, index: number, hashes: Uint8Array) => void;
/** The unfinished tiles, level 0 first. */
export declare class RightEdge {
    #private;
    /** Number of entries under it. */
    size: number;
    /** The hashes of the unfinished tile of a level. */
    level(level: number): Uint8Array;
    /** Puts leaf hashes in place of those of the unfinished bundle. */
    setLeaves(leaves: Uint8Array): void;
    /** Sets a level without counting: for edges that were read instead of grown. */
    setLevel(level: number, hashes: Uint8Array): void;
    /** Puts the root of a full tile of level 0 in place of the unfinished bundle. */
    pushTile(root: Uint8Array, onFull: OnFull): void;
    /** A copy that grows by itself. */
    clone(): RightEdge;
    /** The root of the tree. */
    root(): Hash;
    /** Whether it is the edge of this tree. */
    leadsTo(head: TreeHead): boolean;
}
