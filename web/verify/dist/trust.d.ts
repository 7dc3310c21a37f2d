import { Crypto, type CryptoOptions } from "./crypto.js";
import { type VerifyingKey } from "./key.js";
import { Policy, type PolicyCosignature } from "./policy.js";
import { type SignedCheckpoint } from "./checkpoint.js";
import { type CheckName, type Facts, type OnCheck } from "./trace.js";
/** What the caller knows, and where from is the caller's affair. */
export interface TrustOptions extends CryptoOptions {
    /** The log's vkey, of type 0x01. Its name is the log's origin. */
    readonly logVkey: string;
    /** The witness policy every checkpoint has to satisfy, as text or bytes. Without one, a log that shows different trees to different readers goes unnoticed. */
    readonly policy?: string | Uint8Array | undefined;
    /** Keys of gateways that are trusted. With any, only their statements count, and those of keys they rotated to. */
    readonly gatewayVkeys?: readonly string[] | undefined;
}
/** A checkpoint that the log signed and that satisfies the policy, with the cosignatures of its witnesses. */
export interface TrustedCheckpoint extends SignedCheckpoint {
    readonly cosignatures: readonly PolicyCosignature[];
}
/** The log as its verifier knows it. */
export declare class Trust {
    readonly crypto: Crypto;
    readonly log: VerifyingKey;
    readonly policy: Policy | null;
    readonly gateways: readonly VerifyingKey[];
    private onCheck;
    constructor(options: TrustOptions);
    /** The log's name. */
    get origin(): string;
    /** Opens a checkpoint by the log's key alone. Cosignatures are not looked at. */
    open(note: string | Uint8Array): Promise<SignedCheckpoint>;
    /** The same keys and policy, with each check of a verification reported. */
    traced(onCheck: OnCheck): Trust;
    /** Runs a check whose failure ends the verification, and reports it. */
    check<T>(name: CheckName, about: string, run: () => T | Promise<T>, facts?: (value: T) => Facts): Promise<T>;
    /** Opens a checkpoint that also satisfies the policy, if there is one. `about`: what it is over, for the report of the checks. */
    checkpoint(note: string | Uint8Array, about?: string): Promise<TrustedCheckpoint>;
    /** As {@link Trust.open}, as a check that is reported. */
    signed(note: string | Uint8Array, about?: string): Promise<SignedCheckpoint>;
}
