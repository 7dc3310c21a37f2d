import { type Parsed } from "./json.js";
import { type VerifyingKey } from "./key.js";
import { type Hash } from "./merkle.js";
import { type Run } from "./runs.js";
import type { Trust } from "./trust.js";
/** The `format` of a completeness file. */
export declare const COMPLETENESS_FORMAT = "vouchlog/v1 completeness";
/** Longest file, in bytes. */
export declare const MAX_COMPLETENESS_BYTES: number;
interface StreamProof {
    readonly enrolment: Run;
    readonly opening: Run;
    readonly base: {
        readonly head: Run;
        readonly range: readonly Hash[];
    } | null;
    readonly entries: readonly Run[];
}
/** A completeness file as read; nothing in it is verified. */
export interface CompletenessProof {
    readonly origin: string;
    readonly from: bigint;
    readonly to: bigint;
    readonly checkpoint: string;
    readonly genesis: Run;
    /** The entries that changed the operator's key, in the order of the log. */
    readonly operators: readonly Run[];
    readonly streams: readonly StreamProof[];
}
/** What is shown of one stream. */
export interface CompleteStream {
    /** Index of its opening, which is its name. */
    readonly stream: number;
    readonly gateway: VerifyingKey;
    /** The key whose own signature handed the name over to this one. */
    readonly rotatedFrom: VerifyingKey | null;
    /** Whether it is the log's house stream, whose senders are unknown. */
    readonly isHouse: boolean;
    readonly continues: {
        readonly stream: number;
        readonly size: number;
    } | null;
    /** Sequence number that the proof begins with. */
    readonly first: bigint;
    /** Statements that the gateway has signed, from the first of the stream on. All from `first` on are in the file. */
    readonly signed: bigint;
    /** Statements after those, which no head in the file covers. */
    readonly pending: bigint;
    /** Signed heads in the file. */
    readonly heads: number;
    /** POSIX seconds at which the newest of them was signed. */
    readonly newestHead: bigint | null;
    readonly closed: boolean;
    /** Where the gateway itself declares that records were lost. */
    readonly declaredLosses: readonly {
        readonly sequence: number;
        readonly index: bigint;
    }[];
}
/** What a completeness file shows. */
export interface Completeness {
    readonly size: bigint;
    readonly root: Hash;
    readonly cosignedBy: readonly string[];
    readonly streams: readonly CompleteStream[];
}
/** Reads a completeness file. */
export declare function parseCompleteness(bytes: Uint8Array): CompletenessProof;
/** The completeness file that a JSON text is. */
export declare function completenessOf(parsed: Parsed | undefined): CompletenessProof;
/** Verifies a completeness file against the log as the caller knows it. */
export declare function verifyCompleteness(proof: CompletenessProof, trust: Trust): Promise<Completeness>;
/** Reads and verifies a completeness file. With pinned keys, a stream of any other gateway is refused. */
export declare function verifyCompletenessFile(bytes: Uint8Array, trust: Trust): Promise<Completeness>;
/** As {@link verifyCompleteness}; with pinned keys, a stream of any other gateway is refused. */
export declare function verifyPinned(proof: CompletenessProof, trust: Trust): Promise<Completeness>;
export {};
