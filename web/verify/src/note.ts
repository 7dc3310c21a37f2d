// Signed notes (C2SP signed-note): reading them, and verifying their signature lines.

import { decodeBase64, decodeUtf8, encodeHex, encodeUtf8, utf8Length, type Bytes } from "./bytes.js";
import { parseCheckpointText } from "./checkpoint_text.js";
import { cosignedMessage, splitTimestamped, subtreeMessage } from "./cosignature.js";
import type { Crypto } from "./crypto.js";
import { checkBytes, recast, refusalIn, refuse } from "./errors.js";
import { checkKeyName, sameKey, type VerifyingKey } from "./key.js";

/** Longest note, in bytes. */
export const MAX_NOTE_BYTES = 1 << 20;
/** Most signature lines of a note. */
export const MAX_SIGNATURE_LINES = 100;

/** One signature line, unverified. */
export interface SignatureLine { readonly name: string; readonly id: string; readonly payload: Bytes }

/** A note that was read and not verified. */
export interface UnverifiedNote {
  /** The whole note. */
  readonly note: string;
  /** The text, which anyone may have written. It ends in LF. */
  readonly text: string;
  readonly lines: readonly SignatureLine[];
}

/** A signature that verified. */
export interface VerifiedSignature {
  readonly key: VerifyingKey;
  /** POSIX seconds by the signer's clock; null for type 0x01. */
  readonly timestamp: bigint | null;
}

/** A note that at least one given key verified, and none refuted. */
export interface VerifiedNote extends UnverifiedNote { readonly signatures: readonly VerifiedSignature[] }

/** Refuses a text with control characters, or whose last line does not end in LF. */
export function checkText(text: string): void {
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) refuse("format", "the note holds a control character");
  if (!text.endsWith("\n")) refuse("format", "the note's last line does not end in a line feed");
}

/** Reads a note. */
export function parseNote(bytes: string | Uint8Array): UnverifiedNote {
  const isText = typeof bytes === "string";
  checkBytes("too-large", "the note", isText ? utf8Length(bytes) : bytes.length, MAX_NOTE_BYTES);
  const note = (isText ? bytes : decodeUtf8(bytes)) ?? refuse("format", "the note is not UTF-8");
  checkText(note);
  // SPEC: the text may hold blank lines; the last one parts it from the signatures.
  const blank = note.lastIndexOf("\n\n");
  const rest = note.slice(blank + 2);
  if (blank < 0 || rest === "") refuse("format", "the note has no signature line after a blank line");
  const lines = rest.slice(0, -1).split("\n");
  if (lines.length > MAX_SIGNATURE_LINES) refuse("format", `the note has more than ${MAX_SIGNATURE_LINES} signature lines`);
  return { note, text: note.slice(0, blank + 1), lines: lines.map(parseLine) };
}

/** Reads a signature line: an em dash, a name, base64 of a key id and a signature. */
function parseLine(line: string): SignatureLine {
  const match = /^\u2014 ([^ ]*) ([^ ]*)$/u.exec(line);
  if (match === null) refuse("format", "a signature line is malformed");
  const name = match[1]!;
  recast("format", "a signature line has a malformed key name", () => checkKeyName(name));
  const bytes = decodeBase64(match[2]!);
  if (bytes === null || bytes.length < 5) refuse("format", "a signature line is not base64 of a key id and a signature");
  return { name, id: encodeHex(bytes.subarray(0, 4)), payload: bytes.slice(4) };
}

/** What to make of a second line by one key. */
export type Repeats = "ignore" | "refuse";

/**
 * Verifies a note with these keys. Lines of other keys are ignored.
 *
 * SPEC: one failing line of a given key refuses the note, and so does a note that no given key signed.
 */
export async function verifyNote(
  note: UnverifiedNote, keys: readonly VerifyingKey[], crypto: Crypto, repeats: Repeats = "ignore",
): Promise<VerifiedNote> {
  const signatures: VerifiedSignature[] = [];
  for (const line of note.lines) {
    const [key, second] = keys.filter((key) => key.name === line.name && key.id === line.id);
    if (key === undefined) continue;
    // SPEC: of two configured keys with one name and id, none can be told to have signed.
    if (second !== undefined) refuse("format", "two of the given keys have one name and id");
    if (signatures.some((made) => sameKey(made.key, key))) {
      if (repeats === "ignore") continue;
      refuse("signature", `the note has a second signature line by ${key.name}+${key.id}`);
    }
    const timestamp = await verifyLine(key, note.text, line.payload, crypto);
    if (timestamp === undefined) refuse("signature", `the signature by ${key.name}+${key.id} does not verify`);
    signatures.push({ key, timestamp });
  }
  if (signatures.length === 0) refuse("signature", "no signature line is by one of the given keys");
  return { ...note, signatures };
}

/** The time of a signature that verifies, null if its type has none; undefined if it does not verify. */
async function verifyLine(key: VerifyingKey, text: string, payload: Bytes, crypto: Crypto): Promise<bigint | null | undefined> {
  if (key.type === 0x01) {
    return (await crypto.ed25519(key.publicKey, encodeUtf8(text), payload)) ? null : undefined;
  }
  const timed = splitTimestamped(payload);
  if (timed === null) return undefined;
  const { timestamp, signature } = timed;
  if (key.type === 0x04) {
    const message = cosignedMessage(timestamp, text);
    return (await crypto.ed25519(key.publicKey, message, signature)) ? timestamp : undefined;
  }
  // What is signed is the tree, not the text: a text that names no tree cannot be signed this way.
  try {
    const { origin, head } = parseCheckpointText(text);
    const message = subtreeMessage({ cosigner: key.name, timestamp, origin, start: 0n, end: head.size, hash: head.root });
    return crypto.mlDsa(key.publicKey, message, signature) ? timestamp : undefined;
  } catch (error) {
    refusalIn(error);
    return undefined;
  }
}
