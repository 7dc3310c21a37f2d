import { type Entry } from "./entry.js";
import type { PolicyCosignature } from "./policy.js";
import type { Trust } from "./trust.js";
/** An entry that is in the log. */
export interface LoggedEntry {
    readonly index: bigint;
    readonly entry: Entry;
    readonly size: bigint;
    readonly cosignatures: readonly PolicyCosignature[];
}
/** Verifies the proofs of one file, and remembers what held. A refusal ends the verification, so none is remembered. */
export declare class SharedProofs {
    #private;
    readonly trust: Trust;
    constructor(trust: Trust);
    /** Verifies a proof file: its checkpoint, the policy, and that the entry it carries is in the tree. */
    prove(proof: string, what: string): Promise<LoggedEntry>;
    /** What `verify` returned for this key before, or returns now. One key is of one type. */
    once<T>(key: string, verify: () => Promise<T>): Promise<T>;
}
