import { decodeHex, equalBytes, parseDecimal, utf8Length } from "./bytes.js";
import { openCheckpoint } from "./checkpoint.js";
import { Lines, parseControlNote, readReason, verifyAll } from "./control.js";
import { decodeEntry, MAX_CONTINUATION_BYTES } from "./entry.js";
import { checkBytes, recast, recastAsync, refuse } from "./errors.js";
import { checkOrigin, partyOf, sameKey } from "./key.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { parseNote, verifyNote } from "./note.js";
import { parseProofFile } from "./proof_file.js";
export async function openRetirement(note, crypto) {
    const parsed = parseControlNote(note);
    const lines = new Lines(parsed.text, "vouchlog/v1 retire");
    const origin = lines.value("log");
    const log = lines.vkey("key", 0x01);
    if (log.name !== origin)
        refuse("note", "the log's key has another name than the log");
    const successor = lines.vkey("successor", 0x01);
    if (log.name === successor.name || partyOf(log) === partyOf(successor))
        refuse("note", "a log is not its own successor");
    for (const { name } of [log, successor])
        recast("note", "the name of a key names no log", () => checkOrigin(name));
    const reason = lines.value("reason");
    readReason(reason, ["planned", "compromised", "other"]);
    lines.end();
    await verifyAll(parsed, [log, successor], crypto);
    return { log, successor, reason };
}
export async function openRetirementProof(file, crypto) {
    const proof = parseProofFile(file);
    const bytes = proof.extra ?? refuse("no-entry", "the proof does not carry the retirement");
    const entry = decodeEntry(bytes);
    if (entry.kind !== "log-retired")
        return refuse("entry", "the proof is not of a retirement");
    const retirement = await openRetirement(entry.note, crypto);
    const { log } = retirement;
    const signed = await openCheckpoint(proof.note.note, log.name, [log], crypto);
    if (proof.index + 1n !== signed.head.size)
        refuse("order", "the retirement is not the last entry");
    verifyInclusion(proof.index, signed.head, leafHash(bytes), proof.proof);
    return { retirement, loggedAt: entry.loggedAt, signed };
}
export async function openContinuation(note, log, crypto) {
    checkBytes("note", "the note", utf8Length(note), MAX_CONTINUATION_BYTES);
    return recastAsync("note", "the continuation is rejected", async () => {
        const { text } = await verifyNote(parseNote(note), [log], crypto);
        const blank = text.indexOf("\n\n");
        if (blank < 0)
            refuse("note", "it has no proof");
        const lines = new Lines(text.slice(0, blank + 1), "vouchlog/v1 continue");
        if (lines.value("log") !== log.name)
            refuse("note", "it is for another log");
        const predecessor = lines.vkey("predecessor", 0x01);
        const size = parseDecimal(lines.value("size"));
        const digits = lines.value("root");
        const root = digits.length === 64 ? decodeHex(digits) : null;
        lines.end();
        const proof = await openRetirementProof(text.slice(blank + 2), crypto);
        if (!sameKey(proof.retirement.log, predecessor))
            refuse("note", "the proof is of another log");
        if (!sameKey(proof.retirement.successor, log))
            refuse("note", "the predecessor names another successor");
        const { head } = proof.signed;
        if (size !== head.size || root === null || !equalBytes(root, head.root))
            refuse("note", "the head is not that of the proof");
        return proof;
    });
}
