import type { SignedCheckpoint } from "./checkpoint.js";
import { type VerifyingKey } from "./key.js";
import type { Trust } from "./trust.js";
/** The cosignatures of a checkpoint that the log signed. */
export interface Cosigned {
    /** Witnesses of the policy whose line does not verify. */
    readonly forged: readonly VerifyingKey[];
    /** Names, in the policy, of those whose cosignature verifies. */
    readonly by: readonly string[];
    /** When the newest was made; null if there is none. */
    readonly newest: bigint | null;
    /** Whether the policy is satisfied; true without one. */
    readonly quorum: boolean;
}
/** Checks the cosignatures on a checkpoint, each by itself. */
export declare function cosignatures(signed: SignedCheckpoint, trust: Trust): Promise<Cosigned>;
