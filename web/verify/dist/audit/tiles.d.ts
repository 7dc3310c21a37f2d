import type { TreeHead } from "../merkle.js";
import type { Cause, Found } from "./found.js";
import type { Log } from "./log.js";
/** The hash that a tile must have; `isRight` if that is known, and not only stated by the tile above. */
export interface Expected {
    readonly root: Uint8Array;
    readonly isRight: boolean;
}
/** A full tile of a higher level, as it was served. */
export interface ServedParent {
    readonly level: number;
    readonly index: number;
    readonly bytes: Uint8Array | null;
}
/** Reads a tile; one that is missing or of another length is a finding. */
export declare function readTile(bytes: Uint8Array | null, level: number, index: number, width: number, found: Found): Uint8Array | null;
/** A tile is not what the tree has in its place. */
export declare function mismatch(level: number, index: number, width: number, found: Found): Cause;
/** The tiles on the way from the root to one bundle. */
export declare class Tiles {
    #private;
    private readonly size;
    /** The partial tile of each level; null where there is none or it cannot be read. */
    private readonly edge;
    /** Whether the partial tiles lead to the signed root. */
    readonly isEdgeRight: boolean;
    private constructor();
    /** Reads the partial tiles of a tree and compares them with its root. */
    static open(log: Log, head: TreeHead, found: Found): Promise<Tiles>;
    /** The partial tile of a level, if it could be read. */
    partial(level: number): Uint8Array | null;
    /** The full tiles above level 0 that have to be read before this bundle is looked at; all above it if it is the first. */
    static parentsOf(bundle: number, isFirst: boolean, size: number): {
        level: number;
        index: number;
    }[];
    /** Goes on to a bundle: takes up the tiles above it, from the top down, each checked by the one above. */
    enter(bundle: number, full: readonly ServedParent[], found: Found): void;
    /** The root that a full tile must have, by the tile above it. */
    expected(level: number, index: number): Expected | null;
    /** Compares a tile that was computed from the entries with the one that was served and could not be checked from above. */
    compareComputed(level: number, index: number, computed: Uint8Array, found: Found): void;
}
