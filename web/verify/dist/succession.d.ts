import { type SignedCheckpoint } from "./checkpoint.js";
import type { Crypto } from "./crypto.js";
import { type VerifyingKey } from "./key.js";
/** A log ends, and names the log that continues it. */
export interface Retirement {
    /** The key of the log that ends; its name is that log's origin. */
    readonly log: VerifyingKey;
    /** The key of the log that continues it; its name is that log's origin. */
    readonly successor: VerifyingKey;
    /** `planned`, `compromised` or `other`, and words. */
    readonly reason: string;
}
/** That a log has ended: proven under its final checkpoint. */
export interface RetirementProof {
    readonly retirement: Retirement;
    readonly loggedAt: number;
    readonly signed: SignedCheckpoint;
}
/** Reads a retirement that both keys in it signed. Whether they are the keys of a known log is the caller's to compare. */
export declare function openRetirement(note: string, crypto: Crypto): Promise<Retirement>;
/** Reads the proof file of a retirement: the last entry under a checkpoint that the log signed. */
export declare function openRetirementProof(file: string | Uint8Array, crypto: Crypto): Promise<RetirementProof>;
/** Reads the note with which the log of this key continues another one, and the proof in it. */
export declare function openContinuation(note: string, log: VerifyingKey, crypto: Crypto): Promise<RetirementProof>;
