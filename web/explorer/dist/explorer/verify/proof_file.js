import { decodeBase64, decodeUtf8, encodeUtf8, parseDecimal } from "./bytes.js";
import { checkBytes, recast, refuse } from "./errors.js";
import { MAX_NOTE_BYTES, parseNote } from "./note.js";
export const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
export const MAX_PROOF_FILE_BYTES = MAX_NOTE_BYTES + 128 * 1024;
const MAX_EXTRA_LENGTH = 64_000;
const MAX_HASHES = 63;
export function parseProofFile(file) {
    const bytes = typeof file === "string" ? encodeUtf8(file) : file;
    checkBytes("too-large", "the proof file", bytes.length, MAX_PROOF_FILE_BYTES);
    const text = decodeUtf8(bytes);
    if (text === null)
        refuse("format", "the proof file is not UTF-8");
    const blank = text.indexOf("\n\n");
    if (blank < 0)
        refuse("format", "the proof file has no blank line before its checkpoint");
    const lines = text.slice(0, blank).split("\n");
    if (lines.shift() !== PROOF_HEADER)
        refuse("format", `the first line is not ${PROOF_HEADER}`);
    const extra = lines[0]?.startsWith("extra ") ? readExtra(lines.shift()) : null;
    const line = lines.shift();
    const index = line?.startsWith("index ") ? parseDecimal(line.slice(6)) : null;
    if (index === null)
        refuse("format", "the line with the index is missing or malformed");
    if (lines.length > MAX_HASHES)
        refuse("format", `the proof has more than ${MAX_HASHES} hashes`);
    const proof = lines.map((hash) => {
        const decoded = hash.length === 44 ? decodeBase64(hash) : null;
        return decoded !== null && decoded.length === 32 ? decoded : refuse("format", "a hash of the proof is malformed");
    });
    const note = recast("format", "the checkpoint of the proof file is rejected", () => parseNote(text.slice(blank + 2)));
    return { extra, index, proof, note };
}
function readExtra(line) {
    const text = line.slice(6);
    checkBytes("too-large", "the extra line", text.length, MAX_EXTRA_LENGTH);
    const bytes = decodeBase64(text);
    if (bytes === null || bytes.length === 0)
        refuse("format", "the extra line is not base64 of one byte or more");
    return bytes;
}
