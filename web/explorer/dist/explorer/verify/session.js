import { keepClass, refuse } from "./errors.js";
import { anything, format, list, listOrNone, optional, parseWithin, readMembers, string, u64 } from "./json.js";
import { presented, verifyPresented } from "./presentation.js";
import { SharedProofs } from "./shared_proofs.js";
export const SESSION_FORMAT = "vouchlog/v1 session";
export const MAX_SESSION_BYTES = 64 << 20;
const MAX_PRESENTATIONS = 10_000;
export function sessionOfJson(parsed) {
    const { records, seal, erasures, parts, ...read } = readMembers(parsed, "the bundle", {
        format: format(SESSION_FORMAT), origin: string, session: string, disclosed: list(string), known: u64, parts: list(string),
        records: list(anything), seal: optional(anything), erasures: listOrNone(anything),
    });
    if (records.length + erasures.length + (seal === null ? 0 : 1) > MAX_PRESENTATIONS) {
        refuse("too-large", `the bundle has more than ${MAX_PRESENTATIONS} presentations`);
    }
    const unpack = (one) => readPacked(one, read.origin, parts);
    return { ...read, records: records.map(unpack), seal: seal === null ? null : unpack(seal), erasures: erasures.map(unpack) };
}
const MISSING_PART = "missing part";
function readPacked(value, origin, parts) {
    let isWhole = true;
    const part = (number, no) => {
        const found = parts[Number(u64(number, no))];
        isWhole &&= found !== undefined;
        return found ?? "";
    };
    const presentation = { origin, ...readMembers(value, "a presentation of the bundle", presented(part)) };
    return isWhole ? presentation : MISSING_PART;
}
export async function verifySession(bundle, trust) {
    const proofs = new SharedProofs(trust);
    const verify = async (one, what, fits) => {
        if (one === MISSING_PART)
            refuse("format", "a part is not in the bundle");
        const verified = await keepClass(what, () => verifyPresented(one, proofs, what));
        const { kind } = verified.entry;
        return fits(kind) ? verified : trust.check("session", what, () => refuse("entry", `${what} is a statement of kind ${kind}`));
    };
    const records = [];
    for (const [place, one] of bundle.records.entries()) {
        const isRecord = (kind) => !["session-seal", "erasure", "opaque"].includes(kind);
        records.push(await verify(one, `record ${place} of the bundle`, isRecord));
    }
    const seal = bundle.seal && (await verify(bundle.seal, "the seal", (kind) => kind === "session-seal"));
    const erasures = [];
    for (const [place, one] of bundle.erasures.entries()) {
        erasures.push(await verify(one, `erasure ${place} of the bundle`, (kind) => kind === "erasure"));
    }
    await trust.check("session", "the bundle", () => {
        checkOnce([...records, ...(seal ? [seal] : []), ...erasures]);
        for (const one of seal ? [...records, seal] : records) {
            const session = sessionOf(one);
            if (session !== null && session !== bundle.session) {
                refuse("other-session", `record ${one.statement.claims.record} belongs to another session`);
            }
        }
    }, () => ({ session: bundle.session, records: records.length, sealed: seal !== null, erasures: erasures.length }));
    const { session, known } = bundle;
    return { session, known, records, seal, erasures, notes: notesOf(bundle, records, trust) };
}
function checkOnce(all) {
    const ids = new Set(all.map((one) => one.statement.claims.record));
    const places = new Set(all.map((one) => one.index));
    if (ids.size < all.length || places.size < all.length)
        refuse("duplicate", "a record is in the bundle twice");
}
function member(value, name) {
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value[name] : undefined;
}
function sessionOf({ statement }) {
    const session = member(statement.disclosed["correlation"], "session");
    return typeof session === "string" ? session : null;
}
function notesOf(bundle, records, trust) {
    const notes = ["Not checked here: whether the records keep the rules, and whether they bear out what their gateways claim of them."];
    if (records.length === 0)
        notes.push("There is no record in the bundle: it shows nothing of the session.");
    if (trust.policy === null)
        notes.push("No witness policy was given: a log that shows different trees goes unnoticed.");
    const silent = records.filter((one) => sessionOf(one) === null).length;
    if (silent > 0) {
        notes.push(`${silent} of ${records.length} records do not disclose their session: that they belong to this one rests on the sender's word.`);
    }
    if (bundle.seal === null)
        notes.push(`There is no seal: the number of records (${bundle.known}) rests on the sender's word.`);
    else
        notes.push("Not checked here: whether the records in the bundle are those that the seal counts.");
    return notes;
}
export async function verifySessionFile(bytes, trust) {
    return verifySession(sessionOfJson(parseWithin(bytes, MAX_SESSION_BYTES)), trust);
}
