import { type TreeHead } from "../merkle.js";
import { RightEdge } from "./edge.js";
import type { Found } from "./found.js";
import type { Rules } from "./rules.js";
import { type ServedParent, type Tiles } from "./tiles.js";
/** A bundle as it was served, with the tile beside it, unless that is partial, and the full tiles above that are needed first. */
export interface Fetched {
    readonly bundle: number;
    readonly width: number;
    readonly entries: Uint8Array | null;
    readonly tile: {
        readonly bytes: Uint8Array | null;
    } | null;
    readonly parents: readonly ServedParent[];
}
/** How far a walk got. */
export declare class Walk {
    private readonly head;
    private readonly tiles;
    private readonly found;
    private readonly rulesFor;
    private readonly onEntry;
    readonly grown: RightEdge;
    rules: Rules | null;
    /** Entries read. */
    entries: number;
    private readonly leaves;
    /** A fault that moved the entries after it into the next bundle. */
    private shifted;
    /** Set when part of the tree is unknown. */
    private isTreeLost;
    /** Bundles in a row of which nothing is known. */
    private wrong;
    /** `rulesFor` makes the rules of a log by its first entry; null for opaque entries. */
    constructor(head: TreeHead, tiles: Tiles, found: Found, rulesFor: (isGenesis: boolean) => Rules | null, onEntry: ((index: number, bytes: Uint8Array) => void) | undefined);
    /** Takes up the next bundle. */
    take(fetched: Fetched): Promise<void>;
    /** Gives up where so much is wrong that the rest will be, too. Whether it did. */
    givesUp({ bundle, width }: Fetched): boolean;
    /** The bundle as it should be: every hash right. False, with nothing done, when anything is not. */
    private takeSound;
    /** The leaf hashes of entries, side by side; overwritten by the next call. */
    private hash;
    private pushTile;
    private grow;
    /** Applies the rules to the entries of a bundle; null stands for an entry that is not the tree's. */
    private feed;
    /** A bundle with something wrong: finds out what, reports it once, and goes on with the hashes that the tree has. */
    private takeApart;
    /** A partial bundle has no tile above: its tile is right if the partial tiles lead to the root. */
    private judgePartial;
    /** Reports what was done to a bundle whose leaf hashes are known. */
    private blameEntries;
    /** A method of its own: the argument of an optional call is not evaluated where there are no rules. */
    private lose;
    private blameAbsence;
    /** Neither the bundle nor the tile beside it matches the tile above. */
    private blameBoth;
    /** Applies the rules to those entries of a bundle that have the hashes of the tree in their place. */
    private feedThoseOf;
    /** Compares what was grown with what was signed, and looks for what is missing at the end. */
    finish(): void;
    private compareRoot;
    /** Whether everything served so far is the signed tree's. */
    get isTreeSound(): boolean;
}
