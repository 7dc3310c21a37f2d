import type { Crypto } from "./crypto.js";
import { VerifyError } from "./errors.js";
import { type VerifyingKey } from "./key.js";
/** Why a note about a key does not come next, although it is well-formed and signed. */
export declare class KeyChangeError extends VerifyError {
    readonly why: "not-in-force" | "used-before" | "no-recovery-key" | "too-many";
    constructor(why: "not-in-force" | "used-before" | "no-recovery-key" | "too-many", message: string);
}
/** Another key takes the place of the operator's. */
export interface OperatorChange {
    readonly kind: "change";
    readonly operator: VerifyingKey;
    readonly replaces: VerifyingKey;
    /** `rotation`, `lost` or `compromised`. */
    readonly cause: string;
    readonly words: string;
}
/** The operator names the key that may recover its own. */
export interface RecoveryKey {
    readonly kind: "recovery";
    readonly recovery: VerifyingKey;
    readonly replaces: VerifyingKey | null;
}
/** A note about the operator's key. */
export type OperatorNote = OperatorChange | RecoveryKey;
/** Reads a note without verifying it. */
export declare function readOperatorNote(note: string, origin: string): OperatorNote;
/** Whether every key that the note names as its signer signed it. */
export declare function isSignedByNamed(note: string, origin: string, crypto: Crypto): Promise<boolean>;
/** The operator's keys, oldest first, and the keys that may recover them. */
export declare class Operators {
    #private;
    /** `first`: the operator that genesis names. */
    constructor(first: VerifyingKey);
    /** The keys as they were before the entry at `index`. */
    before(index: bigint): Operators;
    /** The key in force after the last change. */
    get key(): VerifyingKey;
    /** Every key of the operator, oldest first. */
    get keys(): VerifyingKey[];
    /** The key that has to sign the entry at `index`. */
    at(index: bigint): VerifyingKey;
    /** Whether another key took the place of this one. */
    isRetired(key: VerifyingKey): boolean;
    /**
     * What `read` reads with the operator's key in force; if it refuses that, why, and whether it takes a key that was replaced. SPEC: a key that was replaced
     * signs nothing more.
     */
    signed<T>(read: (key: VerifyingKey) => Promise<T>): Promise<{
        value: T;
    } | {
        fault: VerifyError;
        isRetired: boolean;
    }>;
    /** Reads a note, and verifies that the keys in force signed it, and that it may come next. */
    open(note: string, origin: string, crypto: Crypto): Promise<OperatorNote>;
    /** Takes up the note of the entry at `index`. */
    take(index: bigint, note: string, origin: string, crypto: Crypto): Promise<OperatorNote>;
}
/** A witness has another key. */
export interface WitnessRotation {
    readonly witness: VerifyingKey;
    readonly replaces: VerifyingKey;
}
/** Reads a rotation that both keys cosigned. It is for no log. */
export declare function openWitnessRotation(note: string, crypto: Crypto): Promise<WitnessRotation>;
/** The rotations of witnesses' keys that a log holds. */
export declare class WitnessKeys {
    readonly rotations: WitnessRotation[];
    /** SPEC: each key is rotated once, and none comes back. */
    take(note: string, crypto: Crypto): Promise<WitnessRotation>;
}
