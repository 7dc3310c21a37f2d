import { type Bytes } from "./bytes.js";
import { type Entry } from "./entry.js";
import { type PolicyCosignature } from "./policy.js";
import type { Trust } from "./trust.js";
/** What was logged, according to the caller. */
export interface Claim {
    /** The bytes of the entry; without them those in the file's `extra` line count. */
    readonly entry?: Uint8Array;
    /** The digest that a statement must have, 64 hexadecimal digits. */
    readonly digest?: string;
}
/** An entry that is in the log. */
export interface VerifiedEntry {
    readonly origin: string;
    readonly index: bigint;
    readonly size: bigint;
    readonly bytes: Bytes;
    /** Null for bytes that are no entry of Vouchlog's: the log may be another's. */
    readonly entry: Entry | null;
    readonly cosignatures: readonly PolicyCosignature[];
    readonly witnessedUntil: bigint | null;
}
/** Verifies a proof file: the checkpoint, the policy, and that the entry is in the tree. */
export declare function verifyProofFile(file: string | Uint8Array, trust: Trust, claim?: Claim): Promise<VerifiedEntry>;
