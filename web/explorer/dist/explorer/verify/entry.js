import { decodeUtf8, encodeHex, readUint } from "./bytes.js";
import { checkBytes, refuse, VerifyError } from "./errors.js";
import { leafHash } from "./merkle.js";
import { MAX_ENTRY_BYTES } from "./tile.js";
export const MAX_CONTROL_NOTE_BYTES = 16 * 1024;
export const MAX_CONTINUATION_BYTES = 60 * 1024;
const STATEMENT_KINDS = {
    0x01: "intent", 0x02: "interaction", 0x03: "session-seal", 0x04: "configuration", 0x05: "credential-event",
    0x06: "disclosure", 0x07: "erasure", 0x08: "declared-loss", 0x09: "finding", 0x0a: "heartbeat", 0x0b: "hold",
    0x0f: "opaque",
};
export function isStatementByte(byte) {
    return (byte >= 0x01 && byte <= 0x0b) || byte === 0x0f;
}
const NOTE_KINDS = {
    0x80: "genesis", 0x81: "stream-opened", 0x84: "gateway-enrolled", 0x85: "gateway-revoked", 0x88: "quota-set",
    0x89: "operator-changed", 0x8a: "witness-rotated", 0x8b: "log-retired", 0x8c: "log-continued", 0x8d: "log-pruned",
};
const HEAD_KINDS = { 0x82: "stream-head", 0x83: "stream-closed" };
export const isHead = (entry) => entry?.kind === "stream-head" || entry?.kind === "stream-closed";
const EVIDENCE_BITS = 0x0fd1ffff;
export function isEvidence(bits) {
    return Number.isInteger(bits) && bits >= 0 && bits <= 0xffffffff && (bits & ~EVIDENCE_BITS) === 0 && ((bits >>> 24) & 3) !== 3;
}
export function isStatementKind(name) {
    return Object.values(STATEMENT_KINDS).includes(name);
}
export function decodeEntry(bytes) {
    const kind = bytes[0];
    if (kind === undefined)
        refuse("entry", "the entry is empty");
    checkBytes("entry", "the entry", bytes.length, MAX_ENTRY_BYTES);
    if (kind < 0x80)
        return decodeStatement(kind, bytes);
    const name = NOTE_KINDS[kind] ?? HEAD_KINDS[kind];
    if (bytes.length < 7)
        refuse("entry", "the entry is truncated");
    if (name === undefined)
        refuse("entry", `the entry is of the unknown kind 0x${kind.toString(16)}`);
    const loggedAt = readUint(bytes, 1, 6);
    if (name !== "stream-head" && name !== "stream-closed") {
        return { kind: name, isStatement: false, loggedAt, note: noteOf(bytes.subarray(7), name) };
    }
    if (bytes.length < 12)
        refuse("entry", "the entry is truncated");
    return { kind: name, isStatement: false, loggedAt, stream: readUint(bytes, 7, 5), note: noteOf(bytes.subarray(12), name) };
}
export function isOfUnknownControlKind(bytes) {
    const kind = bytes[0];
    if (kind === undefined || bytes.length < 7 || bytes.length > MAX_ENTRY_BYTES)
        return false;
    return kind >= 0x80 && (NOTE_KINDS[kind] ?? HEAD_KINDS[kind]) === undefined;
}
export function tryDecodeEntry(bytes) {
    if (bytes === undefined)
        return null;
    try {
        return decodeEntry(bytes);
    }
    catch (error) {
        if (error instanceof VerifyError)
            return null;
        throw error;
    }
}
function decodeStatement(byte, bytes) {
    if (bytes.length !== 54)
        refuse("entry", "a statement entry has 54 bytes");
    const kind = STATEMENT_KINDS[byte];
    if (kind === undefined)
        refuse("entry", `the statement is of the unknown kind 0x${byte.toString(16)}`);
    const evidence = readUint(bytes, 18, 4);
    if (!isEvidence(evidence))
        refuse("entry", "a bit of the evidence bitmap has no meaning");
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
function noteOf(body, kind) {
    checkBytes("entry", "the note of the entry", body.length, kind === "log-continued" ? MAX_CONTINUATION_BYTES : MAX_CONTROL_NOTE_BYTES);
    const text = decodeUtf8(body);
    if (text === null || !text.endsWith("\n") || !text.includes("\n\n"))
        refuse("entry", "the body of the entry is not a note");
    return text;
}
const STREAM_LEAF = new Uint8Array(37);
export function streamLeafHash(entry) {
    STREAM_LEAF[0] = entry[0];
    for (let at = 0; at < 36; at++)
        STREAM_LEAF[1 + at] = entry[18 + at];
    return leafHash(STREAM_LEAF);
}
export function streamOrigin(origin, stream) {
    return `${origin}/stream/${stream}`;
}
