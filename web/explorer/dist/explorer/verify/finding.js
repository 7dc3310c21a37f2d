import { isAboutAbsence, isOfUnknownKind, provesBrokenRule } from "./broken_rule.js";
import { compareBundle } from "./bundle_fault.js";
import { equalBytes } from "./bytes.js";
import { cosignatures } from "./cosigned.js";
import { EntrySet } from "./entry_set.js";
import { refusalIn, refuse } from "./errors.js";
import { anything, base64, format, hash, isObject, list, listOrNone, object, optional, parseWithin, readMembers, string, u64 } from "./json.js";
import { sameKey } from "./key.js";
import { findingKind } from "./kinds.js";
import { leafHash, verifyConsistency, verifyRange } from "./merkle.js";
import { run, verifyRun } from "./runs.js";
import { sha256 } from "./sha256.js";
import { openRetirementProof } from "./succession.js";
import { readEntries } from "./tile.js";
export const EVIDENCE_FORMAT = "vouchlog/v1 evidence";
export const MAX_EVIDENCE_BYTES = 128 << 20;
const MAX_ENTRIES = 4096 + 64 + 64 + 1024;
const SERVED = object("what was served", { sha256: hash, length: u64, bytes: base64 });
const EVIDENCE = {
    none: {},
    note: { note: string },
    "two-heads": { known: string, served: string },
    prefix: { old: string, new: string, prefix_root: hash, proof: list(hash) },
    entries: { checkpoint: string, runs: list(run), stream_range: listOrNone(hash) },
    bundle: { checkpoint: string, first: u64, leaves: list(hash), left: list(hash), right: list(hash), served: SERVED },
    object: { checkpoint: string, served: optional(SERVED) },
    "after-retirement": { end: string, served: string },
};
export function parseEvidence(bytes) {
    return evidenceOf(parseWithin(bytes, MAX_EVIDENCE_BYTES));
}
export function evidenceOf(parsed) {
    const { kind: code, place, ...read } = readMembers(parsed, "the evidence", {
        format: format(EVIDENCE_FORMAT), kind: string, origin: string, words: string, evidence: anything,
        place: object("the place", { checkpoint: optional(u64), entry: optional(u64), tile: optional(string), stream: optional(u64) }),
    });
    const kind = findingKind(code) ?? refuse("format", "no finding has this code");
    const { evidence } = read;
    const type = isObject(evidence) ? evidence["type"] : null;
    if (typeof type !== "string" || !Object.hasOwn(EVIDENCE, type))
        return refuse("format", "the evidence is of no known type");
    const shape = { ...EVIDENCE[type], type: string };
    return { kind, entry: place.entry, evidence: readMembers(evidence, "the evidence", shape) };
}
const refute = (why) => refuse("refuted", why);
export async function verifyFinding(file, trust) {
    const judged = async () => {
        try {
            return await judge(file, trust);
        }
        catch (error) {
            return refute(refusalIn(error).message);
        }
    };
    return trust.check("finding", file.kind, judged, (shown) => shown.verdict === "proven" ? { verdict: shown.verdict, statement: shown.statement, cosigned: shown.cosigned } : { verdict: shown.verdict, statement: shown.reason });
}
async function judge(file, trust) {
    const { kind, evidence } = file;
    const observed = (reason) => ({ verdict: "observed", kind, reason: `observed, not provable: ${reason}` });
    switch (evidence.type) {
        case "none": return observed("it contains nothing that can be checked");
        case "note": return note(kind, evidence.note, trust, observed);
        case "two-heads": return twoHeads(kind, evidence, trust, observed);
        case "prefix": return prefix(kind, evidence, trust);
        case "entries": return entries(file, evidence, trust, observed);
        case "bundle": return bundle(kind, evidence, trust, observed);
        case "after-retirement": return afterRetirement(kind, evidence, trust);
        case "object":
            await trust.open(evidence.checkpoint);
            if (evidence.served !== null)
                checkServed(evidence.served);
            return observed("no signature covers what a log serves or fails to serve");
    }
}
async function proven(kind, statement, trust, signed) {
    let cosigned = true;
    for (const checkpoint of signed)
        cosigned &&= (await cosignatures(checkpoint, trust)).quorum;
    return { verdict: "proven", kind, statement, cosigned };
}
export function checkpointFault(error) {
    const isSignature = error.reason === "signature" && !error.message.includes("extension lines");
    return isSignature ? "bad-log-signature" : "malformed-checkpoint";
}
async function note(kind, text, trust, observed) {
    const fits = observed("the note is as described; that the log served it rests on the auditor's word");
    let signed;
    try {
        signed = await trust.open(text);
    }
    catch (error) {
        const fault = checkpointFault(refusalIn(error));
        const shown = kind === "missing-checkpoint" ? text === "" : fault === kind;
        return shown ? fits : refute(`the note does not show a ${kind}`);
    }
    if (kind === "impossible-size") {
        return observed(`the log signed a tree of ${signed.head.size} entries; whether it can have them is for the reader to judge`);
    }
    if (kind === "stale-checkpoint")
        return fits;
    const cosigned = await cosignatures(signed, trust);
    if (kind === "forged-cosignature" && cosigned.forged.length > 0)
        return fits;
    if (kind === "missing-quorum" && !cosigned.quorum)
        return fits;
    return refute(`the note does not show a ${kind}`);
}
async function twoHeads(kind, heads, trust, observed) {
    const [known, served] = [await trust.open(heads.known), await trust.open(heads.served)];
    const [older, newer] = [known.head, served.head];
    if (older.size === newer.size && !equalBytes(older.root, newer.root)) {
        return proven(kind, `the log signed two roots for size ${older.size}`, trust, [known, served]);
    }
    if ((kind === "shrunken-log" || kind === "stale-checkpoint") && newer.size < older.size) {
        return observed("the log did sign both checkpoints; that it served the smaller one later rests on the auditor's word");
    }
    if (kind === "inconsistent-heads" && older.size !== newer.size) {
        return observed("the log did sign both checkpoints; they alone cannot show that no proof joins them");
    }
    return refute("the two checkpoints do not contradict each other");
}
async function prefix(kind, evidence, trust) {
    const [older, newer] = [await trust.open(evidence.old), await trust.open(evidence.new)];
    const { size, root } = older.head;
    verifyConsistency({ size, root: evidence.prefix_root }, newer.head, evidence.proof);
    if (equalBytes(evidence.prefix_root, root) || kind !== "inconsistent-heads")
        refute("the newer tree does contain the older one");
    return proven(kind, `the tree of size ${newer.head.size} does not begin with the one of size ${size}`, trust, [older, newer]);
}
async function entries(file, evidence, trust, observed) {
    const { kind, entry } = file;
    const signed = await trust.open(evidence.checkpoint);
    const count = evidence.runs.reduce((sum, { entries }) => sum + entries.length, 0);
    if (count > MAX_ENTRIES)
        refute(`it holds ${count} entries, more than ${MAX_ENTRIES}`);
    const held = new Map();
    for (const one of evidence.runs) {
        verifyRun(one, signed.head);
        one.entries.forEach((bytes, at) => held.set(one.first + BigInt(at), bytes));
    }
    const set = await EntrySet.of(held, trust);
    if (entry !== null && provesBrokenRule(kind, entry, set, evidence.stream_range)) {
        return proven(kind, `the entries in the file show a ${kind} at entry ${entry}`, trust, [signed]);
    }
    if (set.genesis === null)
        return observed("the entries are in the log; the file has no genesis that shows that Vouchlog's rules apply");
    if (isOfUnknownKind(kind, entry, set)) {
        return observed("the entries are in the log; a newer version may know what this one is");
    }
    if (kind === "silent-stream")
        return observed("the entries are in the log; only the whole log can show that others are missing");
    if (isAboutAbsence(kind, set))
        return observed("the entries are in the log; the part between them is too large for a file");
    return refute(`its entries are in the log, but show no ${kind}`);
}
async function bundle(kind, evidence, trust, observed) {
    const { head } = await trust.open(evidence.checkpoint);
    const { leaves, served } = evidence;
    verifyRange(evidence.first, leaves, head, evidence.left, evidence.right);
    checkServed(served);
    if (served.bytes.length === 0 && served.length > 0n)
        return observed("the file has only the hash of the bytes served");
    const { entries, rest } = readEntries(served.bytes, leaves.length + 1);
    if (compareBundle(leaves, entries.map(leafHash), rest)?.kind !== kind)
        refute(`the bytes served show no ${kind}`);
    return observed("these bytes are not the entries that the log signed; that it served them rests on the auditor's word");
}
async function afterRetirement(kind, evidence, trust) {
    const { retirement, signed } = await openRetirementProof(evidence.end, trust.crypto);
    if (!sameKey(retirement.log, trust.log))
        refute("the proof of an end in it is that of another log");
    const [last, served] = [await trust.open(signed.note.note), await trust.open(evidence.served)];
    if (kind !== "head-after-retirement" || served.head.size <= last.head.size)
        refute("the checkpoint is not beyond the end of the log");
    return proven(kind, `the log ended with ${last.head.size} entries, and its key signed a tree of ${served.head.size}`, trust, [last]);
}
function checkServed({ bytes, length, sha256: hash }) {
    const isWhole = length === BigInt(bytes.length) && equalBytes(sha256(bytes), hash);
    if (!isWhole && !(bytes.length === 0 && length > 0n))
        refute("the bytes served do not match the hash");
}
export async function verifyFindingFile(bytes, trust) {
    return verifyFinding(parseEvidence(bytes), trust);
}
