import { type TreeHead } from "../merkle.js";
import { RightEdge } from "./edge.js";
import type { Found } from "./found.js";
import type { AnnouncedPruning } from "./pruning.js";
import type { Rules } from "./rules.js";
import { type ServedParent, type Tiles } from "./tiles.js";
/** The tile of level 0 beside a bundle. */
export type LeafTile = 
/** Read before, with the others of the right edge. */
{
    readonly is: "partial";
} | {
    readonly is: "read";
    readonly bytes: Uint8Array | null;
}
/** Not read: the entries alone have to lead to the hash that the tile above has for it. They may have come together with other bundles; `read` reads them and the tile by their paths. */
 | {
    readonly is: "unread";
    readonly cameTogether: boolean;
    readonly read: () => Promise<Served>;
};
/** A bundle and the tile beside it, as the log serves them at their paths. */
export interface Served {
    readonly entries: Uint8Array | null;
    readonly tile: Uint8Array | null;
}
/** A bundle as it was served, with the tile beside it and the full tiles above that are needed first. */
export interface Fetched {
    readonly bundle: number;
    readonly width: number;
    readonly entries: Uint8Array | null;
    readonly tile: LeafTile;
    readonly parents: readonly ServedParent[];
}
/** Called for an entry that is the tree's: the part [from, to) of the bytes. */
export type OnEntry = (index: number, bytes: Uint8Array, from: number, to: number) => void;
/** How far a walk got. */
export declare class Walk {
    #private;
    private readonly head;
    private readonly tiles;
    private readonly found;
    private readonly rulesFor;
    private readonly onEntry;
    readonly grown: RightEdge;
    rules: Rules | null;
    /** Entries read. */
    entries: number;
    /** What the log announced that it gave up. */
    pruning: AnnouncedPruning | null;
    /** Entries of such bundles: their hashes are the tree's, and nothing else is known of them. */
    unchecked: number;
    /** Tiles of level 0 that were compared with the entries. */
    comparedTiles: number;
    /** Bundles that came together with others, and not from their paths. */
    readTogether: number;
    /** Set once a bundle was not as it should be: from there on every tile is read, to find out what is wrong. */
    isDoubtful: boolean;
    /** `rulesFor` makes the rules of a log by its first entry; null for opaque entries. */
    constructor(head: TreeHead, tiles: Tiles, found: Found, rulesFor: (isGenesis: boolean) => Rules | null, onEntry: OnEntry | undefined);
    /** Takes up the next bundle. */
    take(fetched: Fetched): Promise<void>;
    /** Gives up where so much is wrong that the rest will be, too. Whether it did. */
    givesUp({ bundle, width }: Fetched): boolean;
    /** Compares what was grown with what was signed, and looks for what is missing at the end. */
    finish(): void;
    /** Whether everything served so far is the signed tree's. */
    get isTreeSound(): boolean;
}
