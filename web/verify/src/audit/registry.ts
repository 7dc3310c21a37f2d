// Which keys may open streams: enrolments, rotations, replacements and revocations; and the quotas the operator set.

import type { Enrolment, Quota, Revocation } from "../control.js";
import type { VerifyingKey } from "../key.js";
import type { Found } from "./found.js";
import type { Withdrawn } from "./stream.js";

/** An enrolled key. */
export interface Gateway {
  readonly key: VerifyingKey;
  readonly enrolled: number;
  withdrawn: Withdrawn | null;
  /** The entry that enrolled another key in its place. */
  replaced: number | null;
}

/** The keys that were enrolled, by vkey, and the quotas in force. */
export class Registry {
  readonly #gateways = new Map<string, Gateway>();
  /** The first key of each name. */
  readonly #names = new Map<string, Gateway>();
  readonly #quotas = new Map<string, Quota>();

  /** `onWithdrawn` is called when a key is withdrawn: its streams take nothing more. */
  constructor(private readonly found: Found, private readonly onWithdrawn: (key: VerifyingKey, withdrawn: Withdrawn) => void) {}

  get(key: VerifyingKey): Gateway | undefined {
    return this.#gateways.get(key.vkey);
  }

  get count(): number {
    return this.#gateways.size;
  }

  /** An enrolment, revocation or quota that is not as it must be. */
  bad(index: number, words: string): void {
    this.found.addAt("bad-enrolment", index, words);
  }

  /** SPEC: a revoked or replaced key is not enrolled again; a name belongs to its key. */
  enrol(index: number, now: number, { gateway: key, replaces }: Enrolment, isLost: boolean): void {
    const known = this.get(key);
    if (known !== undefined) {
      const state = known.withdrawn !== null ? "revoked" : known.replaced !== null ? "replaced" : replaces !== null ? "known" : null;
      if (state !== null) this.bad(index, `the ${state} key of ${key.name} is enrolled again`);
      return;
    }
    const enrolled: Gateway = { key, enrolled: index, withdrawn: null, replaced: null };
    const first = this.#names.get(key.name);
    this.#gateways.set(key.vkey, enrolled);
    if (first === undefined) this.#names.set(key.name, enrolled);
    if (replaces !== null) return this.#replace(index, now, replaces, isLost);
    if (first !== undefined) {
      this.found.addAt("second-key-for-a-name", index,
        `${key.name} has the key ${key.id} beside ${first.key.id}, which entry ${first.enrolled} enrolled`);
    }
  }

  /** SPEC: what is replaced is an enrolled key that nothing has replaced; a revoked key rotates to no other. */
  #replace(index: number, now: number, { key, rotation }: NonNullable<Enrolment["replaces"]>, isLost: boolean): void {
    const old = this.get(key);
    if (old === undefined) {
      if (!isLost) this.bad(index, `the key of ${key.name} was never enrolled`);
      return;
    }
    if (old.replaced !== null) return this.bad(index, `entry ${old.replaced} replaced the key of ${key.name}`);
    old.replaced = index;
    if (!rotation) {
      this.#withdraw(old, { index, effective: now });
    } else if (old.withdrawn !== null) {
      this.bad(index, `the revoked key of ${key.name} rotates to another`);
    }
  }

  /** SPEC: only an enrolled key is revoked, and revocation is final. */
  revoke(index: number, { gateway, effective }: Revocation, isLost: boolean): void {
    const known = this.get(gateway);
    if (known === undefined) {
      if (!isLost) this.bad(index, `the key of ${gateway.name} was never enrolled`);
    } else {
      this.#withdraw(known, { index, effective });
    }
  }

  /** SPEC: of several withdrawals, the one that takes effect first is in force. */
  #withdraw(gateway: Gateway, withdrawn: Withdrawn): void {
    if (gateway.withdrawn !== null && gateway.withdrawn.effective <= withdrawn.effective) return;
    gateway.withdrawn = withdrawn;
    this.onWithdrawn(gateway.key, withdrawn);
  }

  /** SPEC: of the quotas for one scope, each is issued later than the one before. */
  setQuota(index: number, quota: Quota): void {
    const known = this.#quotas.get(quota.scope);
    if (known !== undefined && known.issued >= quota.issued) return this.bad(index, "the quota is older than the one before it");
    this.#quotas.set(quota.scope, quota);
  }
}
