import type { CosignedCheckpoint } from "../checkpoint.js";
import type { VerifyingKey } from "../key.js";
import type { TreeHead } from "../merkle.js";
import { type Cause, type Found } from "./found.js";
import { StreamTree } from "./stream_tree.js";
/** A key that was withdrawn: by which entry, and from when on. */
export interface Withdrawn {
    readonly index: number;
    readonly effective: number;
}
/** A stream. */
export declare class Stream {
    #private;
    readonly id: number;
    aliveAt: number;
    private readonly found;
    gateway: VerifyingKey | null;
    key: VerifyingKey | null;
    /** The tree of its statements; meaningless once the stream is broken. */
    readonly tree: StreamTree;
    /** The sequence number that follows. */
    next: number;
    statements: number;
    /** The entry of its newest statement. */
    lastStatement: number;
    head: {
        readonly index: number;
        readonly head: TreeHead;
        readonly timestamp: bigint;
    } | null;
    heads: number;
    /** The log's time while it was up when the first statement came that no head covers. */
    uncoveredSince: number | null;
    closed: number | null;
    /** The opening of its successor. */
    succeeded: number | null;
    withdrawn: Withdrawn | null;
    /** What made its statements incomparable with what its gateway signed. */
    broken: Cause | null;
    losses: number;
    /** `aliveAt`: the log's time while it was up when the stream was opened, or its newest head written. */
    constructor(id: number, aliveAt: number, found: Found);
    /** SPEC: nothing of a stream follows its closing, and no statement the opening of its successor. */
    checkOpen(index: number): void;
    /** SPEC: a withdrawn key is not trusted from the time its revocation names, nor before the log had that. */
    checkNotWithdrawn(index: number, now: number, what: string): boolean;
    /**
     * Something does not follow from the entries of the stream that were read. If others may have been given up since the last of these, that is why, and nothing is
     * known of it.
     */
    notePruned(prunedUntil: number): void;
    /** Whether it is broken because the log gave up some of its statements, which is no fault of the stream. */
    get isPruned(): boolean;
    /** SPEC: sequence numbers follow one another. */
    checkSequence(index: number, sequence: number): void;
    /** SPEC: after a successor was opened, or the gateway's key withdrawn, the log takes no heartbeat and no closing. */
    checkNotEnded(index: number, now: number, what: string): void;
    /** SPEC: no head is signed before the one before it, and one that covers nothing new is signed after it. */
    checkHeadTime(index: number, { head, timestamp }: CosignedCheckpoint): void;
    /** SPEC: a head in the log is the head of the stream's statements before it. True if it is. */
    checkHead(index: number, head: TreeHead): boolean;
    /** The log's time while it was up from which on a head is due; null if none is. */
    owesHeadSince(isHouse: boolean): number | null;
}
