// Evidence files: what shows a finding of an audit, checked offline (docs/auditing.md, "Evidence files"). Keys, names and words in a
// file count for nothing.

import { isAboutAbsence, isOfUnknownKind, provesBrokenRule } from "./broken_rule.js";
import { compareBundle } from "./bundle_fault.js";
import { equalBytes } from "./bytes.js";
import type { SignedCheckpoint } from "./checkpoint.js";
import { cosignatures } from "./cosigned.js";
import { EntrySet } from "./entry_set.js";
import { refusalIn, refuse, type VerifyError } from "./errors.js";
import { anything, base64, format, hash, isObject, list, listOrNone, object, optional, parseWithin, readMembers, string, u64, type Members, type Parsed } from "./json.js";
import { sameKey } from "./key.js";
import { findingKind, type FindingKind } from "./kinds.js";
import { leafHash, verifyConsistency, verifyRange } from "./merkle.js";
import { run, verifyRun } from "./runs.js";
import { sha256 } from "./sha256.js";
import { openRetirementProof } from "./succession.js";
import { readEntries } from "./tile.js";
import type { Facts } from "./trace.js";
import type { Trust } from "./trust.js";

/** The `format` of an evidence file. */
export const EVIDENCE_FORMAT = "vouchlog/v1 evidence";
/** Longest file, in bytes. */
export const MAX_EVIDENCE_BYTES = 128 << 20;
/** A run, the few entries that say whose it is, and every change of a key. */
const MAX_ENTRIES = 4096 + 64 + 64 + 1024;

const SERVED = object("what was served", { sha256: hash, length: u64, bytes: base64 });
type Served = ReturnType<typeof SERVED>;

/** What each type of evidence consists of. */
const EVIDENCE = {
  none: {},
  note: { note: string },
  "two-heads": { known: string, served: string },
  prefix: { old: string, new: string, prefix_root: hash, proof: list(hash) },
  entries: { checkpoint: string, runs: list(run), stream_range: listOrNone(hash) },
  bundle: { checkpoint: string, first: u64, leaves: list(hash), left: list(hash), right: list(hash), served: SERVED },
  object: { checkpoint: string, served: optional(SERVED) },
  "after-retirement": { end: string, served: string },
} as const;

type EvidenceOf<T extends keyof typeof EVIDENCE> = Members<(typeof EVIDENCE)[T]>;
type Evidence = { [T in keyof typeof EVIDENCE]: { readonly type: T } & EvidenceOf<T> }[keyof typeof EVIDENCE];

/** An evidence file as read; nothing in it is verified. */
export interface EvidenceFile {
  readonly kind: FindingKind;
  /** Index of the entry that the finding is about, if it is about one. */
  readonly entry: bigint | null;
  readonly evidence: Evidence;
}

/** What an evidence file is worth. One that does not show what it claims is refused with the class `refuted`. */
export type Verdict =
  /** Signatures and proofs show misconduct by themselves. `cosigned`: whether the checkpoints in it satisfy the policy. */
  | { readonly verdict: "proven"; readonly kind: FindingKind; readonly statement: string; readonly cosigned: boolean }
  /** What can be checked fits, and proves nothing: that it happened rests on the auditor's word. */
  | { readonly verdict: "observed"; readonly kind: FindingKind; readonly reason: string };

/** Reads an evidence file. */
export function parseEvidence(bytes: Uint8Array): EvidenceFile {
  return evidenceOf(parseWithin(bytes, MAX_EVIDENCE_BYTES));
}

/** The evidence file that a JSON text is. */
export function evidenceOf(parsed: Parsed | undefined): EvidenceFile {
  const { kind: code, place, ...read } = readMembers(parsed, "the evidence", {
    format: format(EVIDENCE_FORMAT), kind: string, origin: string, words: string, evidence: anything,
    place: object("the place", { checkpoint: optional(u64), entry: optional(u64), tile: optional(string), stream: optional(u64) }),
  });
  const kind = findingKind(code) ?? refuse("format", "no finding has this code");
  const { evidence } = read;
  const type = isObject(evidence) ? evidence["type"] : null;
  if (typeof type !== "string" || !Object.hasOwn(EVIDENCE, type)) return refuse("format", "the evidence is of no known type");
  const shape = { ...EVIDENCE[type as keyof typeof EVIDENCE], type: string };
  return { kind, entry: place.entry, evidence: readMembers(evidence, "the evidence", shape) as Evidence };
}

const refute = (why: string): never => refuse("refuted", why);

/** Verifies evidence against the log as the caller knows it. */
export async function verifyFinding(file: EvidenceFile, trust: Trust): Promise<Verdict> {
  const judged = async (): Promise<Verdict> => {
    try {
      return await judge(file, trust);
    } catch (error) {
      return refute(refusalIn(error).message);
    }
  };
  return trust.check("finding", file.kind, judged, (shown): Facts =>
    shown.verdict === "proven" ? { verdict: shown.verdict, statement: shown.statement, cosigned: shown.cosigned } : { verdict: shown.verdict, statement: shown.reason });
}

async function judge(file: EvidenceFile, trust: Trust): Promise<Verdict> {
  const { kind, evidence } = file;
  const observed = (reason: string): Verdict => ({ verdict: "observed", kind, reason: `observed, not provable: ${reason}` });
  switch (evidence.type) {
    case "none": return observed("it contains nothing that can be checked");
    case "note": return note(kind, evidence.note, trust, observed);
    case "two-heads": return twoHeads(kind, evidence, trust, observed);
    case "prefix": return prefix(kind, evidence, trust);
    case "entries": return entries(file, evidence, trust, observed);
    case "bundle": return bundle(kind, evidence, trust, observed);
    case "after-retirement": return afterRetirement(kind, evidence, trust);
    case "object":
      await trust.open(evidence.checkpoint);
      if (evidence.served !== null) checkServed(evidence.served);
      return observed("no signature covers what a log serves or fails to serve");
  }
}

type Observed = (reason: string) => Verdict;

async function proven(kind: FindingKind, statement: string, trust: Trust, signed: readonly SignedCheckpoint[]): Promise<Verdict> {
  let cosigned = true;
  for (const checkpoint of signed) cosigned &&= (await cosignatures(checkpoint, trust)).quorum;
  return { verdict: "proven", kind, statement, cosigned };
}

/** The finding that a checkpoint which does not open shows. */
export function checkpointFault(error: VerifyError): FindingKind {
  const isSignature = error.reason === "signature" && !error.message.includes("extension lines");
  return isSignature ? "bad-log-signature" : "malformed-checkpoint";
}

/** A note may lack signatures because its recipient removed them, so it proves nothing. */
async function note(kind: FindingKind, text: string, trust: Trust, observed: Observed): Promise<Verdict> {
  const fits = observed("the note is as described; that the log served it rests on the auditor's word");
  let signed;
  try {
    signed = await trust.open(text);
  } catch (error) {
    const fault = checkpointFault(refusalIn(error));
    const shown = kind === "missing-checkpoint" ? text === "" : fault === kind;
    return shown ? fits : refute(`the note does not show a ${kind}`);
  }
  if (kind === "impossible-size") {
    return observed(`the log signed a tree of ${signed.head.size} entries; whether it can have them is for the reader to judge`);
  }
  if (kind === "stale-checkpoint") return fits;
  const cosigned = await cosignatures(signed, trust);
  if (kind === "forged-cosignature" && cosigned.forged.length > 0) return fits;
  if (kind === "missing-quorum" && !cosigned.quorum) return fits;
  return refute(`the note does not show a ${kind}`);
}

async function twoHeads(
  kind: FindingKind, heads: EvidenceOf<"two-heads">, trust: Trust, observed: Observed,
): Promise<Verdict> {
  const [known, served] = [await trust.open(heads.known), await trust.open(heads.served)];
  const [older, newer] = [known.head, served.head];
  // SPEC: a log must not sign two checkpoints between which there is no consistency proof; of one size, they are equal.
  if (older.size === newer.size && !equalBytes(older.root, newer.root)) {
    return proven(kind, `the log signed two roots for size ${older.size}`, trust, [known, served]);
  }
  if ((kind === "shrunken-log" || kind === "stale-checkpoint") && newer.size < older.size) {
    return observed("the log did sign both checkpoints; that it served the smaller one later rests on the auditor's word");
  }
  if (kind === "inconsistent-heads" && older.size !== newer.size) {
    return observed("the log did sign both checkpoints; they alone cannot show that no proof joins them");
  }
  return refute("the two checkpoints do not contradict each other");
}

async function prefix(kind: FindingKind, evidence: EvidenceOf<"prefix">, trust: Trust): Promise<Verdict> {
  const [older, newer] = [await trust.open(evidence.old), await trust.open(evidence.new)];
  const { size, root } = older.head;
  verifyConsistency({ size, root: evidence.prefix_root }, newer.head, evidence.proof);
  if (equalBytes(evidence.prefix_root, root) || kind !== "inconsistent-heads") refute("the newer tree does contain the older one");
  return proven(kind, `the tree of size ${newer.head.size} does not begin with the one of size ${size}`,
    trust, [older, newer]);
}

async function entries(
  file: EvidenceFile, evidence: EvidenceOf<"entries">, trust: Trust, observed: Observed,
): Promise<Verdict> {
  const { kind, entry } = file;
  const signed = await trust.open(evidence.checkpoint);
  const count = evidence.runs.reduce((sum, { entries }) => sum + entries.length, 0);
  if (count > MAX_ENTRIES) refute(`it holds ${count} entries, more than ${MAX_ENTRIES}`);
  const held = new Map<bigint, Uint8Array>();
  for (const one of evidence.runs) {
    verifyRun(one, signed.head);
    one.entries.forEach((bytes, at) => held.set(one.first + BigInt(at), bytes));
  }
  const set = await EntrySet.of(held, trust);
  if (entry !== null && provesBrokenRule(kind, entry, set, evidence.stream_range)) {
    return proven(kind, `the entries in the file show a ${kind} at entry ${entry}`, trust, [signed]);
  }
  // All of it is in the log, and nothing speaks against the finding; but what would show it is not there.
  if (set.genesis === null) return observed("the entries are in the log; the file has no genesis that shows that Vouchlog's rules apply");
  if (isOfUnknownKind(kind, entry, set)) {
    return observed("the entries are in the log; a newer version may know what this one is");
  }
  if (kind === "silent-stream") return observed("the entries are in the log; only the whole log can show that others are missing");
  if (isAboutAbsence(kind, set)) return observed("the entries are in the log; the part between them is too large for a file");
  return refute(`its entries are in the log, but show no ${kind}`);
}

async function bundle(
  kind: FindingKind, evidence: EvidenceOf<"bundle">, trust: Trust, observed: Observed,
): Promise<Verdict> {
  const { head } = await trust.open(evidence.checkpoint);
  const { leaves, served } = evidence;
  verifyRange(evidence.first, leaves, head, evidence.left, evidence.right);
  checkServed(served);
  if (served.bytes.length === 0 && served.length > 0n) return observed("the file has only the hash of the bytes served");
  const { entries, rest } = readEntries(served.bytes, leaves.length + 1);
  if (compareBundle(leaves, entries.map(leafHash), rest)?.kind !== kind) refute(`the bytes served show no ${kind}`);
  return observed("these bytes are not the entries that the log signed; that it served them rests on the auditor's word");
}

/** SPEC: nothing follows a retirement. Two keys signed it, and one of them signed the head all the same. */
async function afterRetirement(kind: FindingKind, evidence: EvidenceOf<"after-retirement">, trust: Trust): Promise<Verdict> {
  const { retirement, signed } = await openRetirementProof(evidence.end, trust.crypto);
  if (!sameKey(retirement.log, trust.log)) refute("the proof of an end in it is that of another log");
  const [last, served] = [await trust.open(signed.note.note), await trust.open(evidence.served)];
  if (kind !== "head-after-retirement" || served.head.size <= last.head.size) refute("the checkpoint is not beyond the end of the log");
  // A thief signs without witnesses, so only the end has to be cosigned.
  return proven(kind, `the log ended with ${last.head.size} entries, and its key signed a tree of ${served.head.size}`, trust, [last]);
}

function checkServed({ bytes, length, sha256: hash }: Served): void {
  const isWhole = length === BigInt(bytes.length) && equalBytes(sha256(bytes), hash);
  if (!isWhole && !(bytes.length === 0 && length > 0n)) refute("the bytes served do not match the hash");
}

/** Reads and verifies an evidence file. */
export async function verifyFindingFile(bytes: Uint8Array, trust: Trust): Promise<Verdict> {
  return verifyFinding(parseEvidence(bytes), trust);
}
