import { type Hash } from "../merkle.js";
import type { Log } from "./log.js";
/** A hash of an inclusion path, and the leaves [from, to) that it covers. */
export interface PathStep {
    readonly hash: Hash;
    readonly from: bigint;
    readonly to: bigint;
}
/** Nodes of a tree, from its tiles. None of them is verified: they are what a proof is made of. */
export declare class Nodes {
    #private;
    private readonly log;
    private readonly size;
    constructor(log: Log, size: bigint);
    /** The hash over the leaves [from, to); null if the tiles do not have it. */
    node(from: bigint, to: bigint): Promise<Hash | null>;
    /** RFC 6962 section 2.1.1: the path of an entry, from the leaf up. The spans say which leaves each hash covers. */
    inclusion(index: bigint): Promise<PathStep[] | null>;
    /** The hashes left and right of the leaves [first, end): what shows that the tree has these there. Left to right. */
    around(first: bigint, end: bigint): Promise<{
        left: Hash[];
        right: Hash[];
    } | null>;
    /** RFC 6962 section 2.1.2: the consistency proof from a smaller size. */
    consistency(old: bigint): Promise<Hash[] | null>;
}
