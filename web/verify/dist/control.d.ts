import type { Crypto } from "./crypto.js";
import { type KeyType, type VerifyingKey } from "./key.js";
import { type UnverifiedNote } from "./note.js";
/** Entry 0: the log's name and who may enrol gateways. */
export interface Genesis {
    readonly origin: string;
    readonly operator: VerifyingKey;
}
/** The operator lets a gateway's key open streams. */
export interface Enrolment {
    readonly gateway: VerifyingKey;
    /** The key of the same name whose place it takes. */
    readonly replaces: {
        readonly key: VerifyingKey;
        readonly rotation: boolean;
        readonly reason: string;
    } | null;
}
/** A gateway opens a stream. */
export interface StreamOpening {
    readonly gateway: VerifyingKey;
    readonly stream: VerifyingKey;
    readonly previous: {
        readonly stream: number;
        readonly size: number;
    } | null;
}
/** The operator withdraws a gateway's key. */
export interface Revocation {
    readonly gateway: VerifyingKey;
    readonly effective: number;
    readonly reason: string;
}
/** The log gives up entries below an index, and keeps the hashes of its tree. */
export interface Pruning {
    /** The minimum index, a multiple of 256: bundles that end at or below it may be gone. */
    readonly minimum: bigint;
    readonly reason: string;
}
/** The operator bounds what gateways may log in a day. */
export interface Quota {
    /** `all`, or `gateway <name>`. */
    readonly scope: string;
    readonly issued: number;
    readonly limits: {
        readonly statements: string;
        readonly bytes: string;
        readonly streams: string;
    };
}
/** The lines of a control note, read one expected word after the other. */
export declare class Lines {
    #private;
    constructor(text: string, title: string);
    value(word: string): string;
    log(origin: string): void;
    vkey(word: string, type: KeyType): VerifyingKey;
    /** Why something was done, in words. */
    reason(): string;
    time(word: string): number;
    /** Whether this is the next line. */
    isNext(line: string): boolean;
    get isAtEnd(): boolean;
    end(): void;
}
/** Parts a reason into its cause, which must be one of these, and words. */
export declare function readReason(reason: string, causes: readonly string[]): {
    cause: string;
    words: string;
};
/** Reads a control note; nothing in it is verified. */
export declare function parseControlNote(note: string): UnverifiedNote;
/** Verifies a note that each of these keys must have signed: the other keys' lines do not make up for a missing one. */
export declare function verifyAll(note: UnverifiedNote, keys: readonly VerifyingKey[], crypto: Crypto): Promise<void>;
/** Reads a genesis note signed by one of the log's keys. */
export declare function openGenesis(note: string, logKeys: readonly VerifyingKey[], crypto: Crypto): Promise<Genesis>;
/** Reads a stream opening, signed by the gateway that it names. Whether that gateway is enrolled is the caller's to look up. */
export declare function openStreamOpening(note: string, origin: string, crypto: Crypto): Promise<StreamOpening>;
/** Reads an enrolment signed by the operator, and by both keys if it is a rotation. */
export declare function openEnrolment(note: string, origin: string, operator: VerifyingKey, crypto: Crypto): Promise<Enrolment>;
/** Reads a revocation signed by the operator. */
export declare function openRevocation(note: string, origin: string, operator: VerifyingKey, crypto: Crypto): Promise<Revocation>;
/** Reads a pruning signed by the log. */
export declare function openPruning(note: string, origin: string, log: VerifyingKey, crypto: Crypto): Promise<Pruning>;
/** Reads a quota signed by the operator. */
export declare function openQuota(note: string, origin: string, operator: VerifyingKey, crypto: Crypto): Promise<Quota>;
