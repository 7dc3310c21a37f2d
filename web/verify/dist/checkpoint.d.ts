import { type Checkpoint } from "./checkpoint_text.js";
import type { Crypto } from "./crypto.js";
import type { VerifyingKey } from "./key.js";
import { type VerifiedNote, type VerifiedSignature } from "./note.js";
/** A checkpoint with the note whose signatures verified. */
export interface SignedCheckpoint extends Checkpoint {
    readonly note: VerifiedNote;
}
/** A checkpoint that one party cosigned at a time: what a gateway signs of its stream. */
export interface CosignedCheckpoint extends SignedCheckpoint {
    readonly timestamp: bigint;
}
/** Opens a note that should be a checkpoint of this log, signed with one or more of its keys (types 0x01 and 0x06). */
export declare function openCheckpoint(note: string | Uint8Array, origin: string, keys: readonly VerifyingKey[], crypto: Crypto): Promise<SignedCheckpoint>;
/** Opens a note that should be a checkpoint of this origin, cosigned with a key of type 0x04. */
export declare function openCosigned(note: string | Uint8Array, origin: string, key: VerifyingKey, crypto: Crypto): Promise<CosignedCheckpoint>;
/** SPEC: type 0x06 leaves out the extension lines, so anyone on the way may have written them. */
export declare function checkExtensions(checkpoint: Checkpoint, byLog: readonly VerifiedSignature[]): void;
