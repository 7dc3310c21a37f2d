// What a verifier knows about a log beforehand. Keys in a file count for nothing.

import { encodeBase64 } from "./bytes.js";
import { Crypto, type CryptoOptions } from "./crypto.js";
import { orNull, recast, refuse, VerifyError } from "./errors.js";
import { checkOrigin, parseVkey, type VerifyingKey } from "./key.js";
import { Policy, type PolicyCosignature } from "./policy.js";
import { openCheckpoint, type SignedCheckpoint } from "./checkpoint.js";
import { traced, type CheckName, type Facts, type OnCheck } from "./trace.js";

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
export interface TrustedCheckpoint extends SignedCheckpoint { readonly cosignatures: readonly PolicyCosignature[] }

/** The log as its verifier knows it. */
export class Trust {
  readonly crypto: Crypto;
  readonly log: VerifyingKey;
  readonly policy: Policy | null;
  readonly gateways: readonly VerifyingKey[];
  private onCheck: OnCheck | null = null;

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

  /** The same keys and policy, with each check of a verification reported. */
  traced(onCheck: OnCheck): Trust {
    const trust = Object.assign(Object.create(Trust.prototype) as Trust, this);
    trust.onCheck = onCheck;
    return trust;
  }

  /** Runs a check whose failure ends the verification, and reports it. */
  check<T>(name: CheckName, about: string, run: () => T | Promise<T>, facts?: (value: T) => Facts): Promise<T> {
    return traced(this.onCheck, name, about, run, facts);
  }

  /** Opens a checkpoint that also satisfies the policy, if there is one. `about`: what it is over, for the report of the checks. */
  async checkpoint(note: string | Uint8Array, about = "the checkpoint"): Promise<TrustedCheckpoint> {
    const { policy } = this;
    if (policy === null) return { ...(await this.signed(note, about)), cosignatures: [] };
    let refusal: VerifyError;
    try {
      const verified = await policy.verifyCheckpoint(note, this.origin, [this.log], this.crypto);
      await this.check("log-signature", about, () => verified, factsOf);
      return await this.check("witnesses", about, () => verified, ({ head, cosignatures }) =>
        ({ size: head.size, cosignedBy: cosignatures.map(({ name }) => name), quorumNone: policy.isQuorumNone }));
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      refusal = error;
    }
    const no = (): never => { throw refusal; };
    // A cosignature that is missing or forged must not be reported as a fault of the log's own signature.
    const byLog = await orNull(this.open(note));
    if (byLog === null) return this.check("log-signature", about, no);
    await this.check("log-signature", about, () => byLog, factsOf);
    return this.check("witnesses", about, no);
  }

  /** As {@link Trust.open}, as a check that is reported. */
  signed(note: string | Uint8Array, about = "the checkpoint"): Promise<SignedCheckpoint> {
    return this.check("log-signature", about, () => this.open(note), factsOf);
  }
}

const factsOf = ({ head }: SignedCheckpoint): Facts => ({ size: head.size, root: encodeBase64(head.root) });
