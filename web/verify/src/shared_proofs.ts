// Proof files that carry their entry, verified once each: the records of a session share most of theirs.

import { decodeEntry, type Entry } from "./entry.js";
import { keepClass, recast, refuse } from "./errors.js";
import { leafHash, verifyInclusion, type TreeHead } from "./merkle.js";
import type { PolicyCosignature } from "./policy.js";
import { parseProofFile } from "./proof_file.js";
import type { Trust } from "./trust.js";

/** An entry that is in the log. */
export interface LoggedEntry {
  readonly index: bigint;
  readonly entry: Entry;
  readonly size: bigint;
  readonly cosignatures: readonly PolicyCosignature[];
}

/** A checkpoint that the log signed and that satisfies the policy. */
interface TrustedHead { readonly head: TreeHead; readonly cosignatures: readonly PolicyCosignature[] }

/** Verifies the proofs of one file, and remembers what held. A refusal ends the verification, so none is remembered. */
export class SharedProofs {
  readonly #entries = new Map<string, LoggedEntry>();
  readonly #heads = new Map<string, TrustedHead>();
  readonly #others = new Map<string, unknown>();

  constructor(readonly trust: Trust) {}

  /** Verifies a proof file: its checkpoint, the policy, and that the entry it carries is in the tree. */
  async prove(proof: string, what: string): Promise<LoggedEntry> {
    const known = this.#entries.get(proof);
    if (known !== undefined) return known;
    const file = recast("format", `the proof of ${what}`, () => parseProofFile(proof));
    const bytes = file.extra ?? refuse("no-entry", `the proof of ${what} does not carry the entry`);
    const { head, cosignatures } = await this.#head(file.note.note, what);
    const entry = await this.trust.check("inclusion", what, () => {
      recast("not-included", what, () => verifyInclusion(file.index, head, leafHash(bytes), file.proof));
      return recast("entry", what, () => decodeEntry(bytes));
    }, ({ kind }) => ({ index: file.index, size: head.size, hashes: file.proof.length, kind }));
    const proven = { index: file.index, entry, size: head.size, cosignatures };
    this.#entries.set(proof, proven);
    return proven;
  }

  async #head(note: string, what: string): Promise<TrustedHead> {
    let head = this.#heads.get(note);
    if (head === undefined) {
      head = await keepClass(`the checkpoint over ${what}`, () => this.trust.checkpoint(note, what));
      this.#heads.set(note, head);
    }
    return head;
  }

  /** What `verify` returned for this key before, or returns now. One key is of one type. */
  async once<T>(key: string, verify: () => Promise<T>): Promise<T> {
    if (!this.#others.has(key)) this.#others.set(key, await verify());
    return this.#others.get(key) as T;
  }
}
