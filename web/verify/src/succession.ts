// How a log ends, and how another one continues it (docs/formats.md, "Retirement and continuation").

import { decodeHex, equalBytes, parseDecimal, utf8Length } from "./bytes.js";
import { openCheckpoint, type SignedCheckpoint } from "./checkpoint.js";
import { Lines, parseControlNote, readReason, verifyAll } from "./control.js";
import type { Crypto } from "./crypto.js";
import { decodeEntry, MAX_CONTINUATION_BYTES } from "./entry.js";
import { checkBytes, recast, recastAsync, refuse } from "./errors.js";
import { checkOrigin, partyOf, sameKey, type VerifyingKey } from "./key.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { parseNote, verifyNote } from "./note.js";
import { parseProofFile } from "./proof_file.js";

/** A log ends, and names the log that continues it. */
export interface Retirement {
  /** The key of the log that ends; its name is that log's origin. */
  readonly log: VerifyingKey;
  /** The key of the log that continues it; its name is that log's origin. */
  readonly successor: VerifyingKey;
  /** `planned`, `compromised` or `other`, and words. */
  readonly reason: string;
}

/** That a log has ended: proven under its final checkpoint. */
export interface RetirementProof { readonly retirement: Retirement; readonly loggedAt: number; readonly signed: SignedCheckpoint }

/** Reads a retirement that both keys in it signed. Whether they are the keys of a known log is the caller's to compare. */
export async function openRetirement(note: string, crypto: Crypto): Promise<Retirement> {
  const parsed = parseControlNote(note);
  const lines = new Lines(parsed.text, "vouchlog/v1 retire");
  const origin = lines.value("log");
  const log = lines.vkey("key", 0x01);
  if (log.name !== origin) refuse("note", "the log's key has another name than the log");
  const successor = lines.vkey("successor", 0x01);
  if (log.name === successor.name || partyOf(log) === partyOf(successor)) refuse("note", "a log is not its own successor");
  for (const { name } of [log, successor]) recast("note", "the name of a key names no log", () => checkOrigin(name));
  const reason = lines.value("reason");
  readReason(reason, ["planned", "compromised", "other"]);
  lines.end();
  await verifyAll(parsed, [log, successor], crypto);
  return { log, successor, reason };
}

/** Reads the proof file of a retirement: the last entry under a checkpoint that the log signed. */
export async function openRetirementProof(file: string | Uint8Array, crypto: Crypto): Promise<RetirementProof> {
  const proof = parseProofFile(file);
  const bytes = proof.extra ?? refuse("no-entry", "the proof does not carry the retirement");
  const entry = decodeEntry(bytes);
  if (entry.kind !== "log-retired") return refuse("entry", "the proof is not of a retirement");
  const retirement = await openRetirement(entry.note, crypto);
  const { log } = retirement;
  const signed = await openCheckpoint(proof.note.note, log.name, [log], crypto);
  // SPEC: nothing follows a retirement.
  if (proof.index + 1n !== signed.head.size) refuse("order", "the retirement is not the last entry");
  verifyInclusion(proof.index, signed.head, leafHash(bytes), proof.proof);
  return { retirement, loggedAt: entry.loggedAt, signed };
}

/** Reads the note with which the log of this key continues another one, and the proof in it. */
export async function openContinuation(note: string, log: VerifyingKey, crypto: Crypto): Promise<RetirementProof> {
  checkBytes("note", "the note", utf8Length(note), MAX_CONTINUATION_BYTES);
  return recastAsync("note", "the continuation is rejected", async () => {
    const { text } = await verifyNote(parseNote(note), [log], crypto);
    const blank = text.indexOf("\n\n");
    if (blank < 0) refuse("note", "it has no proof");
    const lines = new Lines(text.slice(0, blank + 1), "vouchlog/v1 continue");
    if (lines.value("log") !== log.name) refuse("note", "it is for another log");
    const predecessor = lines.vkey("predecessor", 0x01);
    const size = parseDecimal(lines.value("size"));
    const digits = lines.value("root");
    const root = digits.length === 64 ? decodeHex(digits) : null;
    lines.end();
    const proof = await openRetirementProof(text.slice(blank + 2), crypto);
    if (!sameKey(proof.retirement.log, predecessor)) refuse("note", "the proof is of another log");
    if (!sameKey(proof.retirement.successor, log)) refuse("note", "the predecessor names another successor");
    const { head } = proof.signed;
    if (size !== head.size || root === null || !equalBytes(root, head.root)) refuse("note", "the head is not that of the proof");
    return proof;
  });
}
