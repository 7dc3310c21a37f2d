// Proof files whose entry they carry, or the caller has: what was logged, and where.

import { decodeHex, equalBytes, type Bytes } from "./bytes.js";
import { decodeEntry, tryDecodeEntry, type Entry } from "./entry.js";
import { recast, refuse } from "./errors.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { witnessedUntil, type PolicyCosignature } from "./policy.js";
import { parseProofFile } from "./proof_file.js";
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
export async function verifyProofFile(file: string | Uint8Array, trust: Trust, claim: Claim = {}): Promise<VerifiedEntry> {
  const proof = parseProofFile(file);
  const bytes = claim.entry?.slice() ?? proof.extra ?? refuse("no-entry", "the proof file does not carry its entry, and none was given");
  const { head, cosignatures } = await trust.checkpoint(proof.note.note);
  const entry = tryDecodeEntry(bytes);
  await trust.check("inclusion", "the entry", () => verifyInclusion(proof.index, head, leafHash(bytes), proof.proof),
    () => ({ index: proof.index, size: head.size, hashes: proof.proof.length, kind: entry?.kind ?? null }));
  if (claim.digest !== undefined) {
    const digest = decodeHex(claim.digest);
    const statement = recast("entry", "the entry", () => decodeEntry(bytes));
    const isIt = statement.isStatement && digest !== null && equalBytes(decodeHex(statement.digest)!, digest);
    if (!isIt) refuse("mismatch", "the entry does not have this digest");
  }
  return {
    origin: trust.origin, index: proof.index, size: head.size, bytes, entry, cosignatures,
    witnessedUntil: witnessedUntil(cosignatures),
  };
}
