// Any file that can be verified: its contents tell what it is.

import { encodeUtf8 } from "./bytes.js";
import { COMPLETENESS_FORMAT, verifyCompletenessFile, type Completeness } from "./completeness.js";
import { refuse } from "./errors.js";
import { EVIDENCE_FORMAT, verifyFindingFile, type Verdict } from "./finding.js";
import { isObject, parseJson } from "./json.js";
import { verifyProofFile, type VerifiedEntry } from "./logged.js";
import { PRESENTATION_FORMAT, verifyPresentationFile, type VerifiedPresentation } from "./presentation.js";
import { PROOF_HEADER } from "./proof_file.js";
import { SAMPLE_FORMAT, verifySampleFile, type VerifiedSample } from "./sample.js";
import { parseSession, SESSION_FORMAT, verifySession, type VerifiedSession } from "./session.js";
import type { Trust } from "./trust.js";

/** No kind of file has more bytes. */
const MAX_FILE_BYTES = 256 << 20;

/** The kinds of files. */
export type FileKind = "proof" | "completeness" | "presentation" | "session" | "evidence" | "sample";

/** What a file shows. */
export type VerifiedFile =
  | { readonly file: "proof"; readonly shows: VerifiedEntry }
  | { readonly file: "completeness"; readonly shows: Completeness }
  | { readonly file: "presentation"; readonly shows: VerifiedPresentation }
  | { readonly file: "session"; readonly shows: VerifiedSession }
  | { readonly file: "evidence"; readonly shows: Verdict }
  | { readonly file: "sample"; readonly shows: VerifiedSample };

const FORMATS: { readonly [format: string]: FileKind } = {
  [COMPLETENESS_FORMAT]: "completeness",
  [PRESENTATION_FORMAT]: "presentation",
  [SESSION_FORMAT]: "session",
  [EVIDENCE_FORMAT]: "evidence",
  [SAMPLE_FORMAT]: "sample",
};
const HEADER = encodeUtf8(`${PROOF_HEADER}\n`);

/** What a file is by its first line, or by the format that its JSON names. */
export function recognise(bytes: Uint8Array): FileKind | null {
  if (bytes.length > MAX_FILE_BYTES) refuse("too-large", `the file has more than ${MAX_FILE_BYTES} bytes`);
  if (HEADER.every((byte, at) => bytes[at] === byte)) return "proof";
  const parsed = parseJson(bytes);
  const format = isObject(parsed) ? parsed["format"] : undefined;
  return typeof format === "string" && Object.hasOwn(FORMATS, format) ? FORMATS[format]! : null;
}

/** Verifies a file of any kind. Throws a `VerifyError` if it does not hold, or cannot be checked. */
export async function verifyFile(bytes: Uint8Array, trust: Trust): Promise<VerifiedFile> {
  const file = recognise(bytes);
  switch (file) {
    case "proof": return { file, shows: await verifyProofFile(bytes, trust) };
    case "completeness": return { file, shows: await verifyCompletenessFile(bytes, trust) };
    case "presentation": return { file, shows: await verifyPresentationFile(bytes, trust) };
    case "session": return { file, shows: await verifySession(parseSession(bytes), trust) };
    case "evidence": return { file, shows: await verifyFindingFile(bytes, trust) };
    case "sample": return { file, shows: await verifySampleFile(bytes, trust) };
    case null: return refuse("format", "this is no file that can be verified");
  }
}
