import { encodeUtf8 } from "./bytes.js";
import { COMPLETENESS_FORMAT, verifyCompletenessFile } from "./completeness.js";
import { refuse } from "./errors.js";
import { EVIDENCE_FORMAT, verifyFindingFile } from "./finding.js";
import { isObject, parseJson } from "./json.js";
import { verifyProofFile } from "./logged.js";
import { PRESENTATION_FORMAT, verifyPresentationFile } from "./presentation.js";
import { PROOF_HEADER } from "./proof_file.js";
import { SAMPLE_FORMAT, verifySampleFile } from "./sample.js";
import { parseSession, SESSION_FORMAT, verifySession } from "./session.js";
const MAX_FILE_BYTES = 256 << 20;
const FORMATS = {
    [COMPLETENESS_FORMAT]: "completeness",
    [PRESENTATION_FORMAT]: "presentation",
    [SESSION_FORMAT]: "session",
    [EVIDENCE_FORMAT]: "evidence",
    [SAMPLE_FORMAT]: "sample",
};
const HEADER = encodeUtf8(`${PROOF_HEADER}\n`);
export function recognise(bytes) {
    if (bytes.length > MAX_FILE_BYTES)
        refuse("too-large", `the file has more than ${MAX_FILE_BYTES} bytes`);
    if (HEADER.every((byte, at) => bytes[at] === byte))
        return "proof";
    const parsed = parseJson(bytes);
    const format = isObject(parsed) ? parsed["format"] : undefined;
    return typeof format === "string" && Object.hasOwn(FORMATS, format) ? FORMATS[format] : null;
}
export async function verifyFile(bytes, trust) {
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
