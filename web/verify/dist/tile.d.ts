/** Hashes of a full tile, entries of a full bundle. */
export declare const TILE_WIDTH = 256;
/** Levels that a tree of 64-bit size can have. */
export declare const TILE_LEVELS = 8;
/** Longest entry: bundles frame entries with 16 bits. */
export declare const MAX_ENTRY_BYTES = 65535;
/** What a path names: the hashes of a tile, or the entries of a bundle (level "entries"). */
export interface TilePath {
    readonly level: number | "entries";
    readonly index: bigint;
    readonly width: number;
}
/** The path of a tile or bundle, without a leading slash. */
export declare function formatTilePath({ level, index, width }: TilePath): string;
/** Reads a path; refused unless it is the one spelling of what it names. */
export declare function parseTilePath(path: string): TilePath;
/** How many hashes the tile at this place has in a tree of this size; 0 if there is none. */
export declare function tileWidth(level: number, index: bigint, size: bigint): number;
/** The partial tile of each level of a tree of this size, as far as there are any. */
export declare function partialTiles(size: bigint): {
    level: number;
    index: bigint;
    width: number;
}[];
/** The hashes of a tile; null unless it has as many as it should. */
export declare function parseTile(bytes: Uint8Array, width: number): Uint8Array[] | null;
/** Where the entries of a bundle are, without an object for each: entry `at` lies between `bounds[at] + FRAME_BYTES` and `bounds[at + 1]`. */
export interface Frames {
    readonly bounds: Int32Array;
    readonly count: number;
    readonly rest: boolean;
}
/** Bytes before each entry of a bundle: its length. */
export declare const FRAME_BYTES = 2;
/** As many entries as the bytes begin with, at most `limit`, and whether bytes are left over. */
export declare function readFrames(bytes: Uint8Array, limit: number): Frames;
/** The same, with an object for each entry. */
export declare function readEntries(bytes: Uint8Array, limit: number): {
    entries: Uint8Array[];
    rest: boolean;
};
/** The entries of a bundle; null unless the bytes are exactly so many entries. */
export declare function parseBundle(bytes: Uint8Array, width: number): Uint8Array[] | null;
