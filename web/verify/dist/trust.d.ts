import { Crypto, type CryptoOptions } from "./crypto.js";
import { type VerifyingKey } from "./key.js";
import { Policy } from "./policy.js";
import { type SignedCheckpoint } from "./checkpoint.js";
import type { PolicyCosignature } from "./policy.js";
/** What the caller knows, and where from is the caller's affair. */
export interface TrustOptions extends CryptoOptions {
    /** The log's vkey, of type 0x01. Its name is the log's origin. */
    readonly logVkey: string;
    /** The witness policy every checkpoint has to satisfy, as text or bytes. Without one, a log that shows different trees to different readers goes unnoticed. */
    readonly policy?: string | Uint8Array | undefined;
    /** Keys of gateways that are trusted. With any, only their statements count, and those of keys they rotated to. */
    readonly gatewayVkeys?: readonly string[] | undefined;
}
/** The log as its verifier knows it. */
export declare class Trust {
    readonly crypto: Crypto;
    readonly log: VerifyingKey;
    readonly policy: Policy | null;
    readonly gateways: readonly VerifyingKey[];
    constructor(options: TrustOptions);
    /** The log's name. */
    get origin(): string;
    /** Opens a checkpoint by the log's key alone. Cosignatures are not looked at. */
    open(note: string | Uint8Array): Promise<SignedCheckpoint>;
    /** Opens a checkpoint that also satisfies the policy, if there is one. */
    checkpoint(note: string | Uint8Array): Promise<SignedCheckpoint & {
        cosignatures: readonly PolicyCosignature[];
    }>;
}
