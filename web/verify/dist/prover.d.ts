import { Log, type ReadObject } from "./audit/log.js";
import { type PathStep } from "./audit/nodes.js";
import { type Hash, type TreeHead } from "./merkle.js";
export type { PathStep };
/** An entry that a signed tree contains, with the path that shows it. */
export interface ProvenEntry {
    readonly index: bigint;
    readonly bytes: Uint8Array;
    readonly leaf: Hash;
    /** From the leaf up. */
    readonly path: readonly PathStep[];
}
/** Entries side by side that a signed tree contains. */
export interface ProvenRun {
    readonly first: bigint;
    readonly entries: readonly Uint8Array[];
    readonly left: readonly Hash[];
    readonly right: readonly Hash[];
}
/** Makes proofs about one signed tree. */
export declare class Prover {
    #private;
    readonly head: TreeHead;
    constructor(log: ReadObject | Log, head: TreeHead);
    /** An entry with its verified inclusion path. Refused with class `not-included` if what the log serves does not lead to the signed root. */
    entry(index: bigint): Promise<ProvenEntry>;
    /** The entries of a bundle as the log serves them. Nothing shows yet that they are the tree's. */
    bundle(bundle: bigint): Promise<Uint8Array[]>;
    /** Entries side by side with the verified range proof that the tree has them. */
    run(first: bigint, entries: readonly Uint8Array[]): Promise<ProvenRun>;
    /** The root of the first `size` entries, proven to be those of the signed tree; null if the tiles that are served do not prove one. */
    rootAt(size: bigint): Promise<Hash | null>;
}
