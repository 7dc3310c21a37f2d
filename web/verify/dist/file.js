import { decodeUtf8, encodeUtf8 } from "./bytes.js";
import { COMPLETENESS_FORMAT, completenessOf, MAX_COMPLETENESS_BYTES, verifyPinned } from "./completeness.js";
import { refuse, VerifyError } from "./errors.js";
import { EVIDENCE_FORMAT, evidenceOf, MAX_EVIDENCE_BYTES, verifyFinding } from "./finding.js";
import { checkLength, isObject, parseJsonText } from "./json.js";
import { verifyProofFile } from "./logged.js";
import { MAX_PRESENTATION_BYTES, PRESENTATION_FORMAT, presentationOf, verifyPresentation } from "./presentation.js";
import { PROOF_HEADER } from "./proof_file.js";
import { MAX_SAMPLE_BYTES, SAMPLE_FORMAT, verifySample } from "./sample.js";
import { MAX_SESSION_BYTES, SESSION_FORMAT, sessionOfJson, verifySession } from "./session.js";
const MAX_FILE_BYTES = 256 << 20;
const FORMATS = {
    [COMPLETENESS_FORMAT]: { kind: "completeness", most: MAX_COMPLETENESS_BYTES },
    [PRESENTATION_FORMAT]: { kind: "presentation", most: MAX_PRESENTATION_BYTES },
    [SESSION_FORMAT]: { kind: "session", most: MAX_SESSION_BYTES },
    [EVIDENCE_FORMAT]: { kind: "evidence", most: MAX_EVIDENCE_BYTES },
    [SAMPLE_FORMAT]: { kind: "sample", most: MAX_SAMPLE_BYTES },
};
const HEADER = encodeUtf8(`${PROOF_HEADER}\n`);
export function recognise(bytes) {
    return read(bytes)?.kind ?? null;
}
function read(bytes) {
    checkLength(bytes, MAX_FILE_BYTES);
    if (HEADER.every((byte, at) => bytes[at] === byte))
        return { kind: "proof" };
    const text = decodeUtf8(bytes);
    if (text === null)
        return null;
    const parsed = parseJsonText(text);
    if (parsed === undefined)
        return text.includes("\n\n\u2014 ") ? { kind: "checkpoint" } : null;
    const format = isObject(parsed) ? parsed["format"] : undefined;
    if (typeof format !== "string" || !Object.hasOwn(FORMATS, format))
        return null;
    const { kind, most } = FORMATS[format];
    checkLength(bytes, most);
    return { kind, parsed };
}
export async function verifyFile(bytes, trust, onCheck = () => { }) {
    let hasFailed = false;
    const watched = trust.traced((check) => {
        hasFailed ||= check.refusal !== null;
        onCheck(check);
    });
    try {
        return await verify(bytes, watched);
    }
    catch (error) {
        if (error instanceof VerifyError && !hasFailed)
            onCheck({ name: "parts", about: "the file", facts: {}, refusal: error });
        throw error;
    }
}
async function verify(bytes, trust) {
    const format = (parse, kind) => trust.check("format", "the file", parse, () => ({ kind, bytes: bytes.length }));
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
