import { openEnrolment, openGenesis, openRevocation, openStreamOpening } from "./control.js";
import { decodeEntry } from "./entry.js";
import { recast, refuse, VerifyError } from "./errors.js";
import { Fields, parseJson } from "./json.js";
import { sameKey } from "./key.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { witnessedUntil } from "./policy.js";
import { Operators } from "./operators.js";
import { parseProofFile, PROOF_HEADER } from "./proof_file.js";
import { verifyStatement } from "./statement.js";
export const PRESENTATION_FORMAT = "vouchlog/v1 presentation";
export const MAX_PRESENTATION_BYTES = 4 << 20;
const MAX_OPERATOR_CHANGES = 64;
export function parsePresentation(bytes) {
    if (bytes.length > MAX_PRESENTATION_BYTES)
        refuse("too-large", `the presentation has more than ${MAX_PRESENTATION_BYTES} bytes`);
    const fields = new Fields(parseJson(bytes), "the presentation", ["format", "origin", "sd_jwt", "proof", "genesis", "stream"], ["signed_by"]);
    if (fields.string("format") !== PRESENTATION_FORMAT)
        refuse("format", `its format is not \`${PRESENTATION_FORMAT}\``);
    return {
        origin: fields.string("origin"),
        sdJwt: fields.string("sd_jwt"),
        proof: fields.string("proof"),
        genesis: fields.string("genesis"),
        stream: readIdentity(fields.get("stream")),
        signedBy: fields.has("signed_by") ? readIdentity(fields.get("signed_by")) : null,
    };
}
function readIdentity(value) {
    const fields = new Fields(value, "a stream of the presentation", ["enrolment", "opening"], ["status"]);
    const identity = { enrolment: fields.string("enrolment"), opening: fields.string("opening") };
    if (!fields.has("status"))
        return { ...identity, status: null };
    const status = new Fields(fields.get("status"), "the status of a key", ["as_of"], ["revocation"]);
    const revocation = status.has("revocation") ? status.string("revocation") : null;
    return { ...identity, status: { asOf: status.u64("as_of"), revocation } };
}
async function prove(proof, what, trust) {
    const file = recast("format", `the proof of ${what}`, () => parseProofFile(proof));
    if (file.extra === null)
        refuse("no-entry", `the proof of ${what} does not carry the entry`);
    const { head, cosignatures } = await keepClass(`the checkpoint over ${what}`, () => trust.checkpoint(file.note.note));
    recast("not-included", what, () => verifyInclusion(file.index, head, leafHash(file.extra), file.proof));
    const entry = recast("entry", what, () => decodeEntry(file.extra));
    return { index: file.index, entry, size: head.size, cosignatures };
}
async function keepClass(what, check) {
    try {
        return await check();
    }
    catch (error) {
        throw error instanceof VerifyError ? new VerifyError(error.reason, `${what}: ${error.message}`) : error;
    }
}
function checkBefore(what, index, before) {
    if (index >= before)
        refuse("order", `${what} is at index ${index}, not before index ${before}`);
}
const otherEntry = (what) => refuse("entry", `the proof of ${what} is for another kind of entry`);
function splitProofs(text) {
    const next = `\n${PROOF_HEADER}\n`;
    const proofs = [];
    let from = 0;
    for (let at = text.indexOf(next); at >= 0 && proofs.length < MAX_OPERATOR_CHANGES; at = text.indexOf(next, at + 1)) {
        proofs.push(text.slice(from, at + 1));
        from = at + 1;
    }
    return [...proofs, text.slice(from)];
}
async function operatorsOf(genesis, trust) {
    const [first, ...changes] = splitProofs(genesis);
    const proven = await prove(first, "the genesis", trust);
    checkBefore("the genesis", proven.index, 1n);
    const { entry } = proven;
    if (entry.kind !== "genesis")
        return otherEntry("the genesis");
    const opened = await openGenesis(entry.note, [trust.log], trust.crypto);
    if (opened.origin !== trust.origin)
        refuse("other-log", "the genesis is another log's");
    const operators = new Operators(opened.operator);
    let last = 0n;
    const what = "a change of the operator's key";
    for (const change of changes) {
        const { index, entry: changed } = await prove(change, what, trust);
        checkBefore(what, last, index);
        if (changed.kind !== "operator-changed")
            return otherEntry(what);
        await operators.take(index, changed.note, trust.origin, trust.crypto);
        last = index;
    }
    return operators;
}
async function proveStream(identity, trust, operators) {
    const opened = await prove(identity.opening, "the opening of the stream", trust);
    if (opened.entry.kind !== "stream-opened" || opened.index >= 1n << 40n)
        return otherEntry("the opening of the stream");
    const opening = await openStreamOpening(opened.entry.note, trust.origin, trust.crypto);
    if (opening.gateway.name === `${trust.origin}/house`)
        refuse("house-stream", `stream ${opened.index} is the log's house stream`);
    const proven = await prove(identity.enrolment, "the enrolment of the gateway", trust);
    checkBefore("the enrolment of the gateway", proven.index, opened.index);
    if (proven.entry.kind !== "gateway-enrolled")
        return otherEntry("the enrolment of the gateway");
    const enrolment = await openEnrolment(proven.entry.note, trust.origin, operators.at(proven.index), trust.crypto);
    if (!sameKey(enrolment.gateway, opening.gateway))
        refuse("other-key", "the enrolment is of another key");
    const keyTrust = trustIn(enrolment, trust);
    const status = await keyStatus(identity, { gateway: opening.gateway, enrolled: proven.index }, operators, trust);
    return { id: opened.index, gateway: opening.gateway, enrolled: proven.index, trust: keyTrust, status, key: opening.stream };
}
export function trustIn({ gateway, replaces }, trust) {
    const isPinned = (key) => trust.gateways.some((pinned) => sameKey(pinned, key));
    if (trust.gateways.length === 0)
        return "operator";
    if (isPinned(gateway))
        return "pinned";
    if (replaces?.rotation && isPinned(replaces.key))
        return "rotated-from-pinned";
    return refuse("not-pinned", `the key ${gateway.id} of ${gateway.name} is none of the pinned keys`);
}
async function keyStatus({ status }, key, operators, trust) {
    if (status === null)
        return { known: "nothing" };
    if (status.revocation === null)
        return { known: "not-revoked", asOf: status.asOf };
    const what = "the revocation of the gateway's key";
    const proven = await prove(status.revocation, what, trust);
    const revoked = await readRevocation(proven, operators.at(proven.index), trust);
    if (!sameKey(revoked.key, key.gateway))
        refuse("other-key", `${what} is of another key`);
    checkBefore("the enrolment of the gateway", key.enrolled, proven.index);
    return { known: "revoked-later", index: proven.index, effective: revoked.effective, reason: revoked.reason };
}
async function readRevocation({ entry }, operator, trust) {
    if (entry.kind === "gateway-revoked") {
        const { gateway, effective, reason } = await openRevocation(entry.note, trust.origin, operator, trust.crypto);
        return { key: gateway, effective, reason };
    }
    if (entry.kind !== "gateway-enrolled")
        return otherEntry("the revocation of the gateway's key");
    const { replaces } = await openEnrolment(entry.note, trust.origin, operator, trust.crypto);
    if (replaces === null || replaces.rotation)
        return otherEntry("the revocation of the gateway's key");
    return { key: replaces.key, effective: entry.loggedAt, reason: replaces.reason };
}
export async function verifyPresentation(presentation, trust) {
    if (presentation.origin !== trust.origin)
        refuse("other-log", "the presentation is about another log");
    const operators = await operatorsOf(presentation.genesis, trust);
    const stream = await proveStream(presentation.stream, trust, operators);
    const signer = presentation.signedBy === null ? stream : await proveStream(presentation.signedBy, trust, operators);
    const proven = await prove(presentation.proof, "the statement's entry", trust);
    const { entry, index, size, cosignatures } = proven;
    if (!entry.isStatement)
        return otherEntry("the statement's entry");
    if (BigInt(entry.stream) !== stream.id)
        refuse("mismatch", `the entry is in stream ${entry.stream}, not in stream ${stream.id}`);
    checkBefore("the opening of the stream", stream.id, index);
    if (signer.gateway.name !== stream.gateway.name)
        refuse("mismatch", "one gateway signed the statement, another logged it");
    checkBefore("the opening of the signing stream", signer.id, index);
    const statement = await verifyStatement(presentation.sdJwt, signer.key, trust.crypto);
    checkClaims(statement, signer, entry);
    for (const { status } of [signer, stream]) {
        if (status.known === "revoked-later" && status.effective <= entry.loggedAt) {
            refuse("revoked", "the gateway's key was revoked before the statement was logged: anyone who has it may have made it");
        }
    }
    const status = stream.status.known === "not-revoked" && stream.status.asOf > size
        ? { known: "not-revoked", asOf: size }
        : stream.status;
    return {
        statement, index, entry, status, size, cosignatures,
        gateway: stream.gateway, enrolled: stream.enrolled, trust: stream.trust,
        origin: trust.origin, witnessedUntil: witnessedUntil(cosignatures),
    };
}
function checkClaims({ claims, digest }, signer, entry) {
    if (BigInt(claims.stream) !== signer.id)
        refuse("mismatch", "the statement names another stream than the one whose key signed it");
    if (claims.issuer !== signer.gateway.name)
        refuse("mismatch", "the statement names another issuer than the stream's gateway");
    if (digest !== entry.digest)
        refuse("mismatch", "another digest was logged than the statement's");
    if (claims.kind !== entry.kind)
        refuse("mismatch", "the statement was logged as one of another kind");
    if (claims.evidence !== entry.evidence)
        refuse("mismatch", "the statement claims other evidence than its entry");
}
export async function verifyPresentationFile(bytes, trust) {
    return verifyPresentation(parsePresentation(bytes), trust);
}
