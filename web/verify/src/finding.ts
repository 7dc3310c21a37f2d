// Evidence files: what shows a finding of an audit, checked offline (docs/auditing.md, "Evidence files"). Keys, names and words in a
// file count for nothing.

import { isAboutAbsence, isOfUnknownKind, provesBrokenRule } from "./broken_rule.js";
import { compareBundle } from "./bundle_fault.js";
import { equalBytes, type Bytes } from "./bytes.js";
import type { SignedCheckpoint } from "./checkpoint.js";
import { cosignatures } from "./cosigned.js";
import { EntrySet } from "./entry_set.js";
import { refuse, VerifyError } from "./errors.js";
import { Fields, parseWithin, type Parsed } from "./json.js";
import { sameKey } from "./key.js";
import { findingKind, type FindingKind, type Place } from "./kinds.js";
import { leafHash, verifyConsistency, verifyRange, type Hash } from "./merkle.js";
import { readRun, verifyRun, type Run } from "./runs.js";
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

interface Served { readonly sha256: Hash; readonly length: bigint; readonly bytes: Bytes }

type Evidence =
  | { readonly type: "none" }
  | { readonly type: "note"; readonly note: string }
  | { readonly type: "two-heads"; readonly known: string; readonly served: string }
  | { readonly type: "prefix"; readonly old: string; readonly new: string; readonly prefixRoot: Hash; readonly proof: readonly Hash[] }
  | { readonly type: "entries"; readonly checkpoint: string; readonly runs: readonly Run[]; readonly streamRange: readonly Hash[] }
  | {
    readonly type: "bundle"; readonly checkpoint: string; readonly first: bigint; readonly leaves: readonly Hash[];
    readonly left: readonly Hash[]; readonly right: readonly Hash[]; readonly served: Served;
  }
  | { readonly type: "object"; readonly checkpoint: string; readonly served: Served | null }
  | { readonly type: "after-retirement"; readonly end: string; readonly served: string };

/** An evidence file as read; nothing in it is verified. */
export interface EvidenceFile {
  readonly kind: FindingKind;
  readonly origin: string;
  readonly words: string;
  readonly place: Place;
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
  const fields = new Fields(parsed, "the evidence", ["format", "kind", "origin", "words", "place", "evidence"]);
  if (fields.string("format") !== EVIDENCE_FORMAT) refuse("format", `its format is not \`${EVIDENCE_FORMAT}\``);
  const kind = findingKind(fields.string("kind"));
  if (kind === null) refuse("format", "no finding has this code");
  return {
    kind,
    origin: fields.string("origin"),
    words: fields.string("words"),
    place: readPlace(fields.get("place")),
    evidence: readEvidence(fields.get("evidence")),
  };
}

function readPlace(value: Parsed): Place {
  const fields = new Fields(value, "the place", [], ["checkpoint", "entry", "tile", "stream"]);
  return {
    ...(fields.has("checkpoint") && { checkpoint: fields.u64("checkpoint") }),
    ...(fields.has("entry") && { entry: fields.u64("entry") }),
    ...(fields.has("tile") && { tile: fields.string("tile") }),
    ...(fields.has("stream") && { stream: fields.u64("stream") }),
  };
}

function readServed(value: Parsed): Served {
  const fields = new Fields(value, "what was served", ["sha256", "length", "bytes"]);
  return { sha256: fields.hash("sha256"), length: fields.u64("length"), bytes: fields.base64("bytes") };
}

function readEvidence(value: Parsed): Evidence {
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : null;
  const fields = (names: string[], optional: string[] = []): Fields => new Fields(value, "the evidence", ["type", ...names], optional);
  switch (type) {
    case "none":
      fields([]);
      return { type };
    case "note":
      return { type, note: fields(["note"]).string("note") };
    case "two-heads": {
      const read = fields(["known", "served"]);
      return { type, known: read.string("known"), served: read.string("served") };
    }
    case "prefix": {
      const read = fields(["old", "new", "prefix_root", "proof"]);
      return { type, old: read.string("old"), new: read.string("new"), prefixRoot: read.hash("prefix_root"), proof: read.hashes("proof") };
    }
    case "entries": {
      const read = fields(["checkpoint", "runs"], ["stream_range"]);
      const streamRange = "stream_range" in read.raw ? read.hashes("stream_range") : [];
      return { type, checkpoint: read.string("checkpoint"), runs: read.list("runs").map(readRun), streamRange };
    }
    case "bundle": {
      const read = fields(["checkpoint", "first", "leaves", "left", "right", "served"]);
      return {
        type, checkpoint: read.string("checkpoint"), first: read.u64("first"), leaves: read.hashes("leaves"),
        left: read.hashes("left"), right: read.hashes("right"), served: readServed(read.get("served")),
      };
    }
    case "object": {
      const read = fields(["checkpoint"], ["served"]);
      return { type, checkpoint: read.string("checkpoint"), served: read.has("served") ? readServed(read.get("served")) : null };
    }
    case "after-retirement": {
      const read = fields(["end", "served"]);
      return { type, end: read.string("end"), served: read.string("served") };
    }
    default:
      return refuse("format", "the evidence is of no known type");
  }
}

const refute = (why: string): never => refuse("refuted", why);

/** Verifies evidence against the log as the caller knows it. */
export async function verifyFinding(file: EvidenceFile, trust: Trust): Promise<Verdict> {
  const judged = async (): Promise<Verdict> => {
    try {
      return await judge(file, trust);
    } catch (error) {
      if (!(error instanceof VerifyError) || error.reason === "unsupported") throw error;
      return refute(error.message);
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
    if (!(error instanceof VerifyError) || error.reason === "unsupported") throw error;
    const shown = kind === "missing-checkpoint" ? text === "" : checkpointFault(error) === kind;
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
  kind: FindingKind, heads: { known: string; served: string }, trust: Trust, observed: Observed,
): Promise<Verdict> {
  const [known, served] = [await trust.open(heads.known), await trust.open(heads.served)];
  const [older, newer] = [known.head, served.head];
  // SPEC: a log must not sign two checkpoints between which there is no consistency proof; of one size, they are equal.
  if (older.size === newer.size && !equalBytes(older.root, newer.root)) {
    return proven(kind, `the log signed two trees of size ${older.size} with different roots`, trust, [known, served]);
  }
  if ((kind === "shrunken-log" || kind === "stale-checkpoint") && newer.size < older.size) {
    return observed("the log did sign both checkpoints; that it served the smaller one later rests on the auditor's word");
  }
  if (kind === "inconsistent-heads" && older.size !== newer.size) {
    return observed("the log did sign both; the two alone cannot show that no proof joins them");
  }
  return refute("the two checkpoints do not contradict each other");
}

async function prefix(kind: FindingKind, evidence: Evidence & { type: "prefix" }, trust: Trust): Promise<Verdict> {
  const [older, newer] = [await trust.open(evidence.old), await trust.open(evidence.new)];
  const { size, root } = older.head;
  verifyConsistency({ size, root: evidence.prefixRoot }, newer.head, evidence.proof);
  if (equalBytes(evidence.prefixRoot, root) || kind !== "inconsistent-heads") refute("the newer tree does contain the older one");
  return proven(kind, `the log signed a tree of size ${newer.head.size} that does not begin with the one it signed at size ${size}`,
    trust, [older, newer]);
}

async function entries(
  file: EvidenceFile, evidence: Evidence & { type: "entries" }, trust: Trust, observed: Observed,
): Promise<Verdict> {
  const { kind, place } = file;
  const signed = await trust.open(evidence.checkpoint);
  const count = evidence.runs.reduce((sum, run) => sum + run.entries.length, 0);
  if (count > MAX_ENTRIES) refute(`it holds ${count} entries, more than ${MAX_ENTRIES}`);
  const held = new Map<bigint, Uint8Array>();
  for (const run of evidence.runs) {
    verifyRun(run, signed.head);
    run.entries.forEach((bytes, at) => held.set(run.first + BigInt(at), bytes));
  }
  const set = await EntrySet.of(held, trust);
  if (place.entry !== undefined && provesBrokenRule(kind, place.entry, set, evidence.streamRange)) {
    return proven(kind, `entry ${place.entry} of the log, together with the other entries in the file, shows a ${kind}`, trust, [signed]);
  }
  // All of it is in the log, and nothing speaks against the finding; but what would show it is not there.
  if (set.genesis === null) return observed("the entries are in the log; the file has no genesis that shows that Vouchlog's rules apply");
  if (isOfUnknownKind(kind, place.entry, set)) {
    return observed("the entry is in the log, and is of a kind that this version does not know; a newer one may");
  }
  if (kind === "silent-stream") return observed("the entries are in the log; only the whole log can show that others are missing");
  if (isAboutAbsence(kind, set)) return observed("the entries are in the log; the part between them is too large for a file");
  return refute(`its entries are in the log, but show no ${kind}`);
}

async function bundle(
  kind: FindingKind, evidence: Evidence & { type: "bundle" }, trust: Trust, observed: Observed,
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
async function afterRetirement(kind: FindingKind, evidence: { end: string; served: string }, trust: Trust): Promise<Verdict> {
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
