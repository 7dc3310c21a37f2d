import { type SignedCheckpoint } from "./checkpoint.js";
import type { Crypto } from "./crypto.js";
import { type VerifyingKey } from "./key.js";
/** A witness of a policy. */
export interface PolicyWitness {
    readonly name: string;
    readonly key: VerifyingKey;
    readonly url: string | null;
}
/** A log of a policy; its key's name is its origin. */
export interface PolicyLog {
    readonly key: VerifyingKey;
    readonly url: string | null;
}
/** A cosignature by a witness of the policy that verified. */
export interface PolicyCosignature {
    readonly name: string;
    readonly key: VerifyingKey;
    readonly timestamp: bigint;
}
/** A checkpoint that satisfies a policy. */
export interface PolicyCheckpoint extends SignedCheckpoint {
    readonly cosignatures: readonly PolicyCosignature[];
}
/** The logs whose checkpoints count, and the quorum of witnesses that must have cosigned one. */
export declare class Policy {
    #private;
    readonly logs: PolicyLog[];
    readonly witnesses: PolicyWitness[];
    private constructor();
    /** Reads a policy file. */
    static parse(bytes: Uint8Array): Policy;
    /** Whether no cosignature is asked for. */
    get isQuorumNone(): boolean;
    /** Whether witnesses with these keys are a quorum. */
    isMetBy(counts: (key: VerifyingKey) => boolean): boolean;
    /**
     * Verifies that a note is a checkpoint of this log, signed with one of these keys, that meets the quorum. The policy's own
     * logs are left out of it.
     */
    verifyCheckpoint(bytes: string | Uint8Array, origin: string, logKeys: readonly VerifyingKey[], crypto: Crypto): Promise<PolicyCheckpoint>;
}
/** The latest time at which a witness of the policy cosigned; null if none states a time. Time 0 makes no claim. */
export declare function witnessedUntil(cosignatures: readonly PolicyCosignature[]): bigint | null;
