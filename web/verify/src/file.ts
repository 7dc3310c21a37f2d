// Any file that can be verified: its contents tell what it is.

import { decodeUtf8, encodeUtf8 } from "./bytes.js";
import { COMPLETENESS_FORMAT, completenessOf, MAX_COMPLETENESS_BYTES, verifyPinned, type Completeness } from "./completeness.js";
import { refuse, VerifyError } from "./errors.js";
import { EVIDENCE_FORMAT, evidenceOf, MAX_EVIDENCE_BYTES, verifyFinding, type Verdict } from "./finding.js";
import { checkLength, isObject, parseJsonText, type Parsed } from "./json.js";
import { verifyProofFile, type VerifiedEntry } from "./logged.js";
import { MAX_PRESENTATION_BYTES, PRESENTATION_FORMAT, presentationOf, verifyPresentation, type VerifiedPresentation } from "./presentation.js";
import { PROOF_HEADER } from "./proof_file.js";
import { MAX_SAMPLE_BYTES, SAMPLE_FORMAT, verifySample, type VerifiedSample } from "./sample.js";
import { MAX_SESSION_BYTES, SESSION_FORMAT, sessionOfJson, verifySession, type VerifiedSession } from "./session.js";
import type { Check } from "./trace.js";
import type { Trust, TrustedCheckpoint } from "./trust.js";

/** No kind of file has more bytes. */
const MAX_FILE_BYTES = 256 << 20;

/** The kinds of files. */
export type FileKind = "checkpoint" | "proof" | "completeness" | "presentation" | "session" | "evidence" | "sample";

/** What a file shows. */
export type VerifiedFile =
  | { readonly file: "checkpoint"; readonly shows: TrustedCheckpoint }
  | { readonly file: "proof"; readonly shows: VerifiedEntry }
  | { readonly file: "completeness"; readonly shows: Completeness }
  | { readonly file: "presentation"; readonly shows: VerifiedPresentation }
  | { readonly file: "session"; readonly shows: VerifiedSession }
  | { readonly file: "evidence"; readonly shows: Verdict }
  | { readonly file: "sample"; readonly shows: VerifiedSample };

const FORMATS: { readonly [format: string]: { readonly kind: FileKind; readonly most: number } } = {
  [COMPLETENESS_FORMAT]: { kind: "completeness", most: MAX_COMPLETENESS_BYTES },
  [PRESENTATION_FORMAT]: { kind: "presentation", most: MAX_PRESENTATION_BYTES },
  [SESSION_FORMAT]: { kind: "session", most: MAX_SESSION_BYTES },
  [EVIDENCE_FORMAT]: { kind: "evidence", most: MAX_EVIDENCE_BYTES },
  [SAMPLE_FORMAT]: { kind: "sample", most: MAX_SAMPLE_BYTES },
};
const HEADER = encodeUtf8(`${PROOF_HEADER}\n`);

/** What a file is by its first line, or by the format that its JSON names; a signed note is taken for a checkpoint. */
export function recognise(bytes: Uint8Array): FileKind | null {
  return read(bytes)?.kind ?? null;
}

/** A file with its JSON, if it is any. */
interface ReadFile { readonly kind: FileKind; readonly parsed?: Parsed | undefined }

function read(bytes: Uint8Array): ReadFile | null {
  checkLength(bytes, MAX_FILE_BYTES);
  if (HEADER.every((byte, at) => bytes[at] === byte)) return { kind: "proof" };
  const text = decodeUtf8(bytes);
  if (text === null) return null;
  const parsed = parseJsonText(text);
  if (parsed === undefined) return text.includes("\n\n\u2014 ") ? { kind: "checkpoint" } : null;
  const format = isObject(parsed) ? parsed["format"] : undefined;
  if (typeof format !== "string" || !Object.hasOwn(FORMATS, format)) return null;
  const { kind, most } = FORMATS[format]!;
  checkLength(bytes, most);
  return { kind, parsed };
}

/** Verifies a file of any kind. Throws a `VerifyError` if it does not hold, or cannot be checked. */
export async function verifyFile(bytes: Uint8Array, trust: Trust, onCheck: (check: Check) => void = () => {}): Promise<VerifiedFile> {
  let hasFailed = false;
  const watched = trust.traced((check) => {
    hasFailed ||= check.refusal !== null;
    onCheck(check);
  });
  try {
    return await verify(bytes, watched);
  } catch (error) {
    // Whoever shows the checks has to show which of them failed.
    if (error instanceof VerifyError && !hasFailed) onCheck({ name: "parts", about: "the file", facts: {}, refusal: error });
    throw error;
  }
}

async function verify(bytes: Uint8Array, trust: Trust): Promise<VerifiedFile> {
  const format = <T>(parse: () => T, kind: FileKind): Promise<T> =>
    trust.check("format", "the file", parse, () => ({ kind, bytes: bytes.length }));
  const known = await trust.check("format", "the file", () => read(bytes) ?? refuse("format", "this is no file that can be verified"), ({ kind }) => ({ kind, bytes: bytes.length }));
  const { kind: file, parsed } = known;
  switch (file) {
    case "checkpoint": return { file, shows: await trust.checkpoint(bytes) };
    case "proof": return { file, shows: await verifyProofFile(bytes, trust) };
    case "completeness": return { file, shows: await verifyPinned(await format(() => completenessOf(parsed), file), trust) };
    case "presentation": return { file, shows: await verifyPresentation(await format(() => presentationOf(parsed), file), trust) };
    case "session": return { file, shows: await verifySession(await format(() => sessionOfJson(parsed), file), trust) };
    case "evidence": return { file, shows: await verifyFinding(await format(() => evidenceOf(parsed), file), trust) };
    case "sample": return { file, shows: await verifySample(parsed, trust) };
  }
}
