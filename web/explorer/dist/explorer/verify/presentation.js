import { openEnrolment, openGenesis, openRevocation, openStreamOpening } from "./control.js";
import {} from "./entry.js";
import { refuse } from "./errors.js";
import { format, object, optional, parseWithin, readMembers, string, u64 } from "./json.js";
import { sameKey } from "./key.js";
import { witnessedUntil } from "./policy.js";
import { Operators } from "./operators.js";
import { PROOF_HEADER } from "./proof_file.js";
import { SharedProofs } from "./shared_proofs.js";
import { disclose, openStatement } from "./statement.js";
export const PRESENTATION_FORMAT = "vouchlog/v1 presentation";
export const MAX_PRESENTATION_BYTES = 4 << 20;
const MAX_OPERATOR_CHANGES = 64;
export const presented = (proof) => {
    const stream = object("a stream of the presentation", {
        enrolment: proof, opening: proof, status: optional(object("the status of a key", { as_of: u64, revocation: optional(proof) })),
    });
    return { sd_jwt: string, proof: string, genesis: proof, stream, signed_by: optional(stream) };
};
export function presentationOf(parsed) {
    return readMembers(parsed, "the presentation", { format: format(PRESENTATION_FORMAT), origin: string, ...presented(string) });
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
async function operatorsOf(genesis, proofs) {
    const { trust } = proofs;
    const [first, ...changes] = splitProofs(genesis);
    const proven = await proofs.prove(first, "the genesis");
    const operators = await trust.check("operator", "the genesis", () => operatorIn(proven, trust), ({ key }) => ({ operator: key.name, key: key.id }));
    let last = 0n;
    const what = "a change of the operator's key";
    for (const change of changes) {
        const { index, entry } = await proofs.prove(change, what);
        await trust.check("operator", what, () => {
            checkBefore(what, last, index);
            return entry.kind === "operator-changed" ? operators.take(index, entry.note, trust.origin, trust.crypto) : otherEntry(what);
        }, () => ({ operator: operators.key.name, key: operators.key.id, index }));
        last = index;
    }
    return operators;
}
async function operatorIn({ index, entry }, trust) {
    checkBefore("the genesis", index, 1n);
    if (entry.kind !== "genesis")
        return otherEntry("the genesis");
    const opened = await openGenesis(entry.note, [trust.log], trust.crypto);
    if (opened.origin !== trust.origin)
        refuse("other-log", "the genesis is another log's");
    return new Operators(opened.operator);
}
async function proveStream(identity, proofs, operators) {
    const { trust } = proofs;
    const opened = await proofs.prove(identity.opening, "the opening of the stream");
    const opening = await trust.check("gateway", "the opening of the stream", () => openingIn(opened, trust), ({ gateway }) => ({ gateway: gateway.name, key: gateway.id, stream: opened.index }));
    const what = "the enrolment of the gateway";
    const proven = await proofs.prove(identity.enrolment, what);
    const { index } = proven;
    const keyTrust = await trust.check("gateway", what, async () => {
        checkBefore(what, index, opened.index);
        if (proven.entry.kind !== "gateway-enrolled")
            return otherEntry(what);
        const enrolment = await openEnrolment(proven.entry.note, trust.origin, operators.at(index), trust.crypto);
        if (!sameKey(enrolment.gateway, opening.gateway))
            refuse("other-key", "the enrolment is of another key");
        return trustIn(enrolment, trust);
    }, (keyTrust) => ({ gateway: opening.gateway.name, key: opening.gateway.id, index, trust: keyTrust }));
    const status = await keyStatus(identity, { gateway: opening.gateway, enrolled: index }, proofs, operators);
    return { id: opened.index, gateway: opening.gateway, enrolled: index, trust: keyTrust, status, key: opening.stream };
}
async function openingIn({ index, entry }, trust) {
    if (entry.kind !== "stream-opened" || index >= 1n << 40n)
        return otherEntry("the opening of the stream");
    const opening = await openStreamOpening(entry.note, trust.origin, trust.crypto);
    if (opening.gateway.name === `${trust.origin}/house`)
        refuse("house-stream", `stream ${index} is the log's house stream`);
    return opening;
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
async function keyStatus({ status }, key, proofs, operators) {
    if (status === null)
        return { known: "nothing" };
    if (status.revocation === null)
        return { known: "not-revoked", asOf: status.as_of };
    const what = "the revocation of the gateway's key";
    const proven = await proofs.prove(status.revocation, what);
    return proofs.trust.check("key-status", what, async () => {
        const revoked = await readRevocation(proven, operators.at(proven.index), proofs.trust);
        if (!sameKey(revoked.key, key.gateway))
            refuse("other-key", `${what} is of another key`);
        checkBefore("the enrolment of the gateway", key.enrolled, proven.index);
        return { known: "revoked-later", index: proven.index, effective: revoked.effective, reason: revoked.reason };
    }, ({ index, effective, reason }) => ({ gateway: key.gateway.name, index, effective, reason }));
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
    return verifyPresented(presentation, new SharedProofs(trust), "the statement");
}
const keyOf = ({ opening, enrolment, status }) => JSON.stringify([opening, enrolment, status && [String(status.as_of), status.revocation]]);
export async function verifyPresented(presentation, proofs, about) {
    const { trust } = proofs;
    if (presentation.origin !== trust.origin)
        await trust.check("format", about, () => refuse("other-log", "the presentation is about another log"));
    const { genesis } = presentation;
    const operators = await proofs.once(`operators ${genesis}`, () => operatorsOf(genesis, proofs));
    const streamOf = (identity) => proofs.once(`stream ${genesis}${keyOf(identity)}`, () => proveStream(identity, proofs, operators));
    const stream = await streamOf(presentation.stream);
    const signer = presentation.signed_by === null ? stream : await streamOf(presentation.signed_by);
    const proven = await proofs.prove(presentation.proof, "the statement's entry");
    const { index, size, cosignatures } = proven;
    const { entry, signed } = await trust.check("signature", about, async () => {
        const entry = entryIn(proven, stream, signer);
        return { entry, signed: await openStatement(presentation.sd_jwt, signer.key, trust.crypto) };
    }, ({ signed: { claims, digest } }) => ({ record: claims.record, gateway: claims.issuer, stream: claims.stream, digest }));
    const statement = await trust.check("disclosures", about, () => disclose(signed), ({ undisclosed }) => ({ record: signed.claims.record, disclosed: signed.disclosures.length, undisclosed }));
    await trust.check("claims", about, () => checkClaims(signed, signer, entry), () => ({ record: signed.claims.record, index }));
    await trust.check("key-status", about, () => checkStatus([signer, stream], entry), () => ({ ...statusFacts(stream.status), loggedAt: entry.loggedAt }));
    const status = stream.status.known === "not-revoked" && stream.status.asOf > size
        ? { known: "not-revoked", asOf: size }
        : stream.status;
    return {
        statement, index, entry, status, size, cosignatures,
        gateway: stream.gateway, enrolled: stream.enrolled, trust: stream.trust,
        origin: trust.origin, witnessedUntil: witnessedUntil(cosignatures),
    };
}
function entryIn({ index, entry }, stream, signer) {
    if (!entry.isStatement)
        return otherEntry("the statement's entry");
    if (BigInt(entry.stream) !== stream.id)
        refuse("mismatch", `the entry is in stream ${entry.stream}, not in stream ${stream.id}`);
    checkBefore("the opening of the stream", stream.id, index);
    if (signer.gateway.name !== stream.gateway.name)
        refuse("mismatch", "one gateway signed the statement, another logged it");
    checkBefore("the opening of the signing stream", signer.id, index);
    return entry;
}
function checkStatus(streams, entry) {
    for (const { status } of streams) {
        if (status.known === "revoked-later" && status.effective <= entry.loggedAt) {
            refuse("revoked", "the gateway's key was revoked before the statement was logged: anyone who has it may have made it");
        }
    }
}
const statusFacts = (status) => status.known === "nothing" ? { known: status.known }
    : status.known === "not-revoked" ? { known: status.known, asOf: status.asOf } : { known: status.known, index: status.index, effective: status.effective };
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
    return verifyPresentation(presentationOf(parseWithin(bytes, MAX_PRESENTATION_BYTES)), trust);
}
