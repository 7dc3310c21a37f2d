// Proof files (C2SP tlog-proof, `.tlog-proof`): index, inclusion proof and checkpoint in one text.

import { decodeBase64, decodeUtf8, encodeUtf8, parseDecimal, type Bytes } from "./bytes.js";
import { checkBytes, recast, refuse } from "./errors.js";
import { MAX_NOTE_BYTES, parseNote, type UnverifiedNote } from "./note.js";

/** The first line of every proof file. */
export const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
/** Longest proof file, in bytes. */
export const MAX_PROOF_FILE_BYTES = MAX_NOTE_BYTES + 128 * 1024;
/** Of base64: 48,000 bytes. */
const MAX_EXTRA_LENGTH = 64_000;
const MAX_HASHES = 63;

/** A proof file as read; nothing in it is verified. */
export interface ProofFile {
  /** Data for the application: here, the bytes of the entry. */
  readonly extra: Bytes | null;
  readonly index: bigint;
  readonly proof: readonly Bytes[];
  readonly note: UnverifiedNote;
}

/** Reads a proof file. */
export function parseProofFile(file: string | Uint8Array): ProofFile {
  const bytes = typeof file === "string" ? encodeUtf8(file) : file;
  checkBytes("too-large", "the proof file", bytes.length, MAX_PROOF_FILE_BYTES);
  const text = decodeUtf8(bytes);
  if (text === null) refuse("format", "the proof file is not UTF-8");
  // No line of the head is empty, so the first blank line parts it from the note.
  const blank = text.indexOf("\n\n");
  if (blank < 0) refuse("format", "the proof file has no blank line before its checkpoint");
  const lines = text.slice(0, blank).split("\n");
  if (lines.shift() !== PROOF_HEADER) refuse("format", `the first line is not ${PROOF_HEADER}`);
  const extra = lines[0]?.startsWith("extra ") ? readExtra(lines.shift()!) : null;
  const line = lines.shift();
  const index = line?.startsWith("index ") ? parseDecimal(line.slice(6)) : null;
  if (index === null) refuse("format", "the line with the index is missing or malformed");
  if (lines.length > MAX_HASHES) refuse("format", `the proof has more than ${MAX_HASHES} hashes`);
  const proof = lines.map((hash) => {
    const decoded = hash.length === 44 ? decodeBase64(hash) : null;
    return decoded !== null && decoded.length === 32 ? decoded : refuse("format", "a hash of the proof is malformed");
  });
  const note = recast("format", "the checkpoint of the proof file is rejected", () => parseNote(text.slice(blank + 2)));
  return { extra, index, proof, note };
}

function readExtra(line: string): Bytes {
  const text = line.slice(6);
  checkBytes("too-large", "the extra line", text.length, MAX_EXTRA_LENGTH);
  const bytes = decodeBase64(text);
  // SPEC: without extra data the line is left out.
  if (bytes === null || bytes.length === 0) refuse("format", "the extra line is not base64 of one byte or more");
  return bytes;
}
