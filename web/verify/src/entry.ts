// Entries of a Vouchlog log (docs/formats.md, "Log entries"). A kind that this package does not know is refused by name, and never
// taken for good.

import { decodeUtf8, encodeHex, readUint } from "./bytes.js";
import { checkBytes, refuse, VerifyError } from "./errors.js";
import { leafHash, type Hash } from "./merkle.js";
import { MAX_ENTRY_BYTES } from "./tile.js";

/** Longest note in a control entry, in bytes. */
export const MAX_CONTROL_NOTE_BYTES = 16 * 1024;

/** Longest note of a log that continues another, in bytes: it holds a proof file. */
export const MAX_CONTINUATION_BYTES = 60 * 1024;

/** What a statement is about. */
export type StatementKind =
  | "intent" | "interaction" | "session-seal" | "configuration" | "credential-event" | "disclosure" | "erasure"
  | "declared-loss" | "finding" | "heartbeat" | "hold" | "opaque";

const STATEMENT_KINDS: { readonly [byte: number]: StatementKind } = {
  0x01: "intent", 0x02: "interaction", 0x03: "session-seal", 0x04: "configuration", 0x05: "credential-event",
  0x06: "disclosure", 0x07: "erasure", 0x08: "declared-loss", 0x09: "finding", 0x0a: "heartbeat", 0x0b: "hold",
  0x0f: "opaque",
};

/** Whether the first byte of an entry is that of a statement of a known kind. */
export function isStatementByte(byte: number): boolean {
  return (byte >= 0x01 && byte <= 0x0b) || byte === 0x0f;
}

/** Control entries whose body is a signed note. */
export type NoteKind =
  | "genesis" | "stream-opened" | "gateway-enrolled" | "gateway-revoked" | "quota-set" | "operator-changed" | "witness-rotated" | "log-retired" | "log-continued" | "log-pruned";

const NOTE_KINDS: { readonly [byte: number]: NoteKind } = {
  0x80: "genesis", 0x81: "stream-opened", 0x84: "gateway-enrolled", 0x85: "gateway-revoked", 0x88: "quota-set",
  0x89: "operator-changed", 0x8a: "witness-rotated", 0x8b: "log-retired", 0x8c: "log-continued", 0x8d: "log-pruned",
};

const HEAD_KINDS: { readonly [byte: number]: "stream-head" | "stream-closed" } = { 0x82: "stream-head", 0x83: "stream-closed" };

/** A statement as the log took it. */
export interface StatementEntry {
  readonly kind: StatementKind;
  readonly isStatement: true;
  /** Milliseconds since 1970 by the log's clock. */
  readonly loggedAt: number;
  /** The index of the entry that opened the stream. */
  readonly stream: number;
  readonly sequence: number;
  /** The evidence bitmap. */
  readonly evidence: number;
  /** 64 hexadecimal digits. */
  readonly digest: string;
}

/** An entry that carries a signed note. Its signatures are checked where it is used. */
export interface NoteEntry { readonly kind: NoteKind; readonly isStatement: false; readonly loggedAt: number; readonly note: string }

/** The head of a stream, as its gateway signed it. */
export interface HeadEntry {
  readonly kind: "stream-head" | "stream-closed";
  readonly isStatement: false;
  readonly loggedAt: number;
  readonly stream: number;
  readonly note: string;
}

/** An entry of the log. */
export type Entry = StatementEntry | NoteEntry | HeadEntry;

/** Whether it is the head of a stream. */
export const isHead = (entry: Entry | null): entry is HeadEntry => entry?.kind === "stream-head" || entry?.kind === "stream-closed";

const EVIDENCE_BITS = 0x0fd1ffff;

/** Whether a bitmap has only bits with a meaning. */
export function isEvidence(bits: number): boolean {
  return Number.isInteger(bits) && bits >= 0 && bits <= 0xffffffff && (bits & ~EVIDENCE_BITS) === 0 && ((bits >>> 24) & 3) !== 3;
}

/** The statement kinds by name. */
export function isStatementKind(name: string): name is StatementKind {
  return Object.values(STATEMENT_KINDS).includes(name as StatementKind);
}

/** Reads an entry. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const kind = bytes[0];
  if (kind === undefined) refuse("entry", "the entry is empty");
  checkBytes("entry", "the entry", bytes.length, MAX_ENTRY_BYTES);
  if (kind < 0x80) return decodeStatement(kind, bytes);
  const name = NOTE_KINDS[kind] ?? HEAD_KINDS[kind];
  if (bytes.length < 7) refuse("entry", "the entry is truncated");
  if (name === undefined) refuse("entry", `the entry is of the unknown kind 0x${kind.toString(16)}`);
  const loggedAt = readUint(bytes, 1, 6);
  if (name !== "stream-head" && name !== "stream-closed") {
    return { kind: name, isStatement: false, loggedAt, note: noteOf(bytes.subarray(7), name) };
  }
  if (bytes.length < 12) refuse("entry", "the entry is truncated");
  return { kind: name, isStatement: false, loggedAt, stream: readUint(bytes, 7, 5), note: noteOf(bytes.subarray(12), name) };
}

/** Whether the bytes are an entry of a control kind that a later version may have. */
export function isOfUnknownControlKind(bytes: Uint8Array): boolean {
  const kind = bytes[0];
  if (kind === undefined || bytes.length < 7 || bytes.length > MAX_ENTRY_BYTES) return false;
  return kind >= 0x80 && (NOTE_KINDS[kind] ?? HEAD_KINDS[kind]) === undefined;
}

/** The entry, or null if the bytes are none. */
export function tryDecodeEntry(bytes: Uint8Array | undefined): Entry | null {
  if (bytes === undefined) return null;
  try {
    return decodeEntry(bytes);
  } catch (error) {
    if (error instanceof VerifyError) return null;
    throw error;
  }
}

function decodeStatement(byte: number, bytes: Uint8Array): StatementEntry {
  if (bytes.length !== 54) refuse("entry", "a statement entry has 54 bytes");
  const kind = STATEMENT_KINDS[byte];
  if (kind === undefined) refuse("entry", `the statement is of the unknown kind 0x${byte.toString(16)}`);
  const evidence = readUint(bytes, 18, 4);
  if (!isEvidence(evidence)) refuse("entry", "a bit of the evidence bitmap has no meaning");
  return {
    kind,
    isStatement: true,
    loggedAt: readUint(bytes, 1, 6),
    stream: readUint(bytes, 7, 5),
    sequence: readUint(bytes, 12, 6),
    evidence,
    digest: encodeHex(bytes.subarray(22)),
  };
}

/** A body that looks like a signed note; its own reader checks the rest. */
function noteOf(body: Uint8Array, kind: string): string {
  checkBytes("entry", "the note of the entry", body.length, kind === "log-continued" ? MAX_CONTINUATION_BYTES : MAX_CONTROL_NOTE_BYTES);
  const text = decodeUtf8(body);
  if (text === null || !text.endsWith("\n") || !text.includes("\n\n")) refuse("entry", "the body of the entry is not a note");
  return text;
}

const STREAM_LEAF = new Uint8Array(37);

/** The leaf hash of a statement in its stream's own tree, from the bytes of its entry: kind, evidence and digest. */
export function streamLeafHash(entry: Uint8Array): Hash {
  STREAM_LEAF[0] = entry[0]!;
  for (let at = 0; at < 36; at++) STREAM_LEAF[1 + at] = entry[18 + at]!;
  return leafHash(STREAM_LEAF);
}

/** The origin of a stream's checkpoints. */
export function streamOrigin(origin: string, stream: number | bigint): string {
  return `${origin}/stream/${stream}`;
}

