// What a verifier knows about a log beforehand. Keys in a file count for nothing.

import { Crypto, type CryptoOptions } from "./crypto.js";
import { recast, refuse } from "./errors.js";
import { checkOrigin, parseVkey, type VerifyingKey } from "./key.js";
import { Policy } from "./policy.js";
import { openCheckpoint, type SignedCheckpoint } from "./checkpoint.js";
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
export class Trust {
  readonly crypto: Crypto;
  readonly log: VerifyingKey;
  readonly policy: Policy | null;
  readonly gateways: readonly VerifyingKey[];

  constructor(options: TrustOptions) {
    this.crypto = new Crypto(options);
    this.log = parseVkey(options.logVkey);
    // SPEC: a log's key is named by its origin; the genesis note is signed with type 0x01.
    if (this.log.type !== 0x01) refuse("key", "the log's key is not of type 0x01");
    recast("key", "the log's key does not name a log", () => checkOrigin(this.log.name));
    const { policy } = options;
    const bytes = typeof policy === "string" ? new TextEncoder().encode(policy) : policy;
    this.policy = bytes === undefined ? null : Policy.parse(bytes);
    this.gateways = (options.gatewayVkeys ?? []).map(parseVkey);
  }

  /** The log's name. */
  get origin(): string {
    return this.log.name;
  }

  /** Opens a checkpoint by the log's key alone. Cosignatures are not looked at. */
  open(note: string | Uint8Array): Promise<SignedCheckpoint> {
    return openCheckpoint(note, this.origin, [this.log], this.crypto);
  }

  /** Opens a checkpoint that also satisfies the policy, if there is one. */
  async checkpoint(note: string | Uint8Array): Promise<SignedCheckpoint & { cosignatures: readonly PolicyCosignature[] }> {
    if (this.policy !== null) return this.policy.verifyCheckpoint(note, this.origin, [this.log], this.crypto);
    return { ...(await this.open(note)), cosignatures: [] };
  }
}
