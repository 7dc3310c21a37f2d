import { decodeBase64, decodeUtf8, encodeHex, encodeUtf8, utf8Length } from "./bytes.js";
import { parseCheckpointText } from "./checkpoint_text.js";
import { cosignedMessage, splitTimestamped, subtreeMessage } from "./cosignature.js";
import { checkBytes, recast, refusalIn, refuse } from "./errors.js";
import { checkKeyName, sameKey } from "./key.js";
export const MAX_NOTE_BYTES = 1 << 20;
export const MAX_SIGNATURE_LINES = 100;
export function checkText(text) {
    if (/[\u0000-\u0009\u000b-\u001f]/.test(text))
        refuse("format", "the note holds a control character");
    if (!text.endsWith("\n"))
        refuse("format", "the note's last line does not end in a line feed");
}
export function parseNote(bytes) {
    const isText = typeof bytes === "string";
    checkBytes("too-large", "the note", isText ? utf8Length(bytes) : bytes.length, MAX_NOTE_BYTES);
    const note = (isText ? bytes : decodeUtf8(bytes)) ?? refuse("format", "the note is not UTF-8");
    checkText(note);
    const blank = note.lastIndexOf("\n\n");
    const rest = note.slice(blank + 2);
    if (blank < 0 || rest === "")
        refuse("format", "the note has no signature line after a blank line");
    const lines = rest.slice(0, -1).split("\n");
    if (lines.length > MAX_SIGNATURE_LINES)
        refuse("format", `the note has more than ${MAX_SIGNATURE_LINES} signature lines`);
    return { note, text: note.slice(0, blank + 1), lines: lines.map(parseLine) };
}
function parseLine(line) {
    const match = /^\u2014 ([^ ]*) ([^ ]*)$/u.exec(line);
    if (match === null)
        refuse("format", "a signature line is malformed");
    const name = match[1];
    recast("format", "a signature line has a malformed key name", () => checkKeyName(name));
    const bytes = decodeBase64(match[2]);
    if (bytes === null || bytes.length < 5)
        refuse("format", "a signature line is not base64 of a key id and a signature");
    return { name, id: encodeHex(bytes.subarray(0, 4)), payload: bytes.slice(4) };
}
export async function verifyNote(note, keys, crypto, repeats = "ignore") {
    const signatures = [];
    for (const line of note.lines) {
        const [key, second] = keys.filter((key) => key.name === line.name && key.id === line.id);
        if (key === undefined)
            continue;
        if (second !== undefined)
            refuse("format", "two of the given keys have one name and id");
        if (signatures.some((made) => sameKey(made.key, key))) {
            if (repeats === "ignore")
                continue;
            refuse("signature", `the note has a second signature line by ${key.name}+${key.id}`);
        }
        const timestamp = await verifyLine(key, note.text, line.payload, crypto);
        if (timestamp === undefined)
            refuse("signature", `the signature by ${key.name}+${key.id} does not verify`);
        signatures.push({ key, timestamp });
    }
    if (signatures.length === 0)
        refuse("signature", "no signature line is by one of the given keys");
    return { ...note, signatures };
}
async function verifyLine(key, text, payload, crypto) {
    if (key.type === 0x01) {
        return (await crypto.ed25519(key.publicKey, encodeUtf8(text), payload)) ? null : undefined;
    }
    const timed = splitTimestamped(payload);
    if (timed === null)
        return undefined;
    const { timestamp, signature } = timed;
    if (key.type === 0x04) {
        const message = cosignedMessage(timestamp, text);
        return (await crypto.ed25519(key.publicKey, message, signature)) ? timestamp : undefined;
    }
    try {
        const { origin, head } = parseCheckpointText(text);
        const message = subtreeMessage({ cosigner: key.name, timestamp, origin, start: 0n, end: head.size, hash: head.root });
        return crypto.mlDsa(key.publicKey, message, signature) ? timestamp : undefined;
    }
    catch (error) {
        refusalIn(error);
        return undefined;
    }
}
