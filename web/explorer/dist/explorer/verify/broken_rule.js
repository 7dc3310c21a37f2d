import { equalBytes } from "./bytes.js";
import { isHead, isOfUnknownControlKind, streamLeafHash } from "./entry.js";
import { VerifyError } from "./errors.js";
import { streamOf } from "./entry_set.js";
import { sameKey } from "./key.js";
import { CompactRange } from "./merkle.js";
import { parseNote } from "./note.js";
export function provesBrokenRule(kind, index, set, range) {
    const at = set.at(index);
    if (at === undefined)
        return false;
    if (kind === "bad-genesis")
        return isBadGenesis(set, at);
    if (set.genesis === null)
        return false;
    if (kind === "undecodable-entry")
        return at.entry === null && !isOfUnknownControlKind(at.bytes);
    const check = CHECKS[kind];
    return at.entry !== null && check !== undefined && check(set, at, range);
}
export function isOfUnknownKind(kind, index, set) {
    const at = index === null ? undefined : set.at(index);
    return kind === "undecodable-entry" && at !== undefined && isOfUnknownControlKind(at.bytes);
}
export function isAboutAbsence(kind, set) {
    const kinds = ["stream-gap", "head-without-entries", "unknown-gateway", "bad-restart", "bad-enrolment", "bad-operator-change"];
    return kinds.includes(kind) && set.hasHoles;
}
function isBadGenesis(set, { index, entry }) {
    if (index === 0n)
        return set.genesis === null;
    return entry?.kind === "genesis" && set.genesis !== null;
}
const CHECKS = {
    "entry-after-retirement": (set, { index }) => set.before(index).some(({ retires }) => retires),
    "bad-succession": (_, { index, entry, retires, continues }) => (entry?.kind === "log-retired" && !retires) || (entry?.kind === "log-continued" && (index !== 1n || !continues)),
    "time-going-back": timeGoesBack,
    "bad-enrolment": isBadEnrolment,
    "second-key-for-a-name": isSecondKey,
    "bad-operator-change": isBadOperatorChange,
    "bad-witness-rotation": (set, { index, entry, change }) => entry?.kind === "witness-rotated" && change !== null && (change.why !== "too-many" || set.hasAll(0n, index)),
    "retired-operator-key": (set, at) => at.fault !== null && at.fault.retired && knowsSigners(set, at),
    "unknown-gateway": (set, { index, opening }) => opening !== null && set.hasAll(0n, index) && !set.isEnrolled(opening.gateway, index),
    "revoked-key-used": usesRevokedKey,
    "bad-opening": (set, { index, entry, opening }) => {
        if (entry?.kind !== "stream-opened")
            return false;
        return opening === null || openings(set, index).some((before) => sameKey(before.stream, opening.stream));
    },
    "bad-restart": isBadRestart,
    "unknown-stream": (set, { index, entry }) => {
        const stream = streamOf(entry);
        return stream !== null && (stream >= index || isNoOpening(set, stream));
    },
    "entry-after-close": isAfterClose,
    "stream-gap": isGap,
    "stream-fork": (set, at) => {
        const head = at.head?.head;
        return head !== undefined && set.earlierHeads(at).some(({ head: { head: before } }) => before.size === head.size && !equalBytes(before.root, head.root));
    },
    "forged-head": (set, { entry, head }) => isHead(entry) && set.opening(BigInt(entry.stream)) !== null && head === null,
    "head-without-entries": lacksEntries,
};
function timeGoesBack(set, at) {
    const now = at.entry.loggedAt;
    if (set.before(at.index).some(({ entry }) => entry !== null && entry.loggedAt > now))
        return true;
    const head = at.head;
    if (head === null)
        return false;
    return set.earlierHeads(at).some(({ head: before }) => head.timestamp < before.timestamp || (head.timestamp === before.timestamp && head.head.size <= before.head.size));
}
function knowsSigners(set, { index, entry }) {
    const operators = set.operators(index);
    if (operators === null || entry === null || !("note" in entry) || set.hasAll(0n, index))
        return true;
    let lines;
    try {
        ({ lines } = parseNote(entry.note));
    }
    catch (error) {
        if (error instanceof VerifyError)
            return true;
        throw error;
    }
    const { keys } = operators;
    return lines.every((line) => line.name !== keys[0].name || keys.some((key) => key.name === line.name && key.id === line.id));
}
const isByNoOperator = (set, at) => !at.fault?.unsigned || knowsSigners(set, at);
function isBadOperatorChange(set, { index, entry, change }) {
    if (entry?.kind !== "operator-changed" || change === null)
        return false;
    if (set.hasAll(0n, index))
        return true;
    switch (change.why) {
        case "unsigned": return !change.isSignedByNamed;
        case "content":
        case "used-before": return true;
        case "not-in-force": return change.replaces !== null && (set.operators(index)?.isRetired(change.replaces) ?? false);
        default: return false;
    }
}
function isBadEnrolment(set, at) {
    const { index, entry, enrolment, revocation, quota } = at;
    if (entry?.kind === "gateway-enrolled") {
        if (enrolment === null)
            return isByNoOperator(set, at);
        const { gateway, replaces } = enrolment;
        if (set.revocations(gateway).some((one) => one.index < index))
            return true;
        if (set.replacements(gateway).some((one) => one < index))
            return true;
        if (replaces === null)
            return false;
        return set.isEnrolled(gateway, index)
            || set.replacements(replaces.key).some((one) => one < index)
            || (replaces.rotation && set.revocations(replaces.key).some((one) => one.index < index))
            || (set.hasAll(0n, index) && !set.isEnrolled(replaces.key, index));
    }
    if (entry?.kind === "gateway-revoked") {
        if (revocation === null)
            return isByNoOperator(set, at);
        return (set.hasAll(0n, index) && !set.isEnrolled(revocation.gateway, index));
    }
    if (entry?.kind !== "quota-set")
        return false;
    if (quota === null)
        return isByNoOperator(set, at);
    return set.before(index).some(({ quota: before }) => before !== null && before.scope === quota.scope && before.issued >= quota.issued);
}
function isSecondKey(set, { index, enrolment }) {
    if (enrolment === null || enrolment.replaces !== null)
        return false;
    const key = enrolment.gateway;
    return !set.isEnrolled(key, index) && set.before(index).some(({ enrolment: before }) => before !== null && !sameKey(before.gateway, key) && before.gateway.name === key.name);
}
function usesRevokedKey(set, at) {
    const entry = at.entry;
    const opens = entry.kind === "stream-opened";
    let opening = null;
    if (opens)
        opening = at.opening;
    else if (entry.isStatement || entry.kind === "stream-closed")
        opening = set.opening(BigInt(entry.stream));
    else if (entry.kind === "stream-head" && coversNothingNew(set, at))
        opening = set.opening(BigInt(entry.stream));
    if (opening === null)
        return false;
    const key = opening.gateway;
    return set.revocations(key).some((one) => one.index < at.index && one.effective <= entry.loggedAt)
        || (opens && set.replacements(key).some((one) => one < at.index));
}
function coversNothingNew(set, at) {
    const size = at.head?.head.size;
    return size !== undefined && (size === 0n || set.earlierHeads(at).some(({ head }) => head.head.size >= size));
}
function openings(set, index) {
    return set.before(index).flatMap(({ opening }) => (opening === null ? [] : [opening]));
}
function isNoOpening(set, stream) {
    const at = set.at(stream);
    return at !== undefined && at.entry?.kind !== "stream-opened";
}
const continues = (opening, stream) => opening.previous !== null && BigInt(opening.previous.stream) === stream;
function isBadRestart(set, { index, opening }) {
    if (opening === null || opening.previous === null)
        return false;
    const stream = BigInt(opening.previous.stream);
    if (stream >= index || isNoOpening(set, stream))
        return true;
    const predecessor = set.opening(stream);
    if (predecessor === null)
        return false;
    return predecessor.gateway.name !== opening.gateway.name
        || openings(set, index).some((other) => continues(other, stream))
        || stoppedElsewhere(set, index, stream, opening.previous.size);
}
function stoppedElsewhere(set, index, stream, size) {
    const earlier = set.statements(stream).filter((one) => one.index < index);
    if (earlier.some(({ statement }) => statement.sequence >= size))
        return true;
    const last = earlier[earlier.length - 1];
    const stopped = last === undefined ? 0 : last.statement.sequence + 1;
    return stopped !== size && set.hasAll(last?.index ?? stream, index);
}
function isAfterClose(set, at) {
    const stream = streamOf(at.entry);
    if (stream === null)
        return false;
    const isClosed = set.before(at.index).some(({ entry }) => entry?.kind === "stream-closed" && BigInt(entry.stream) === stream);
    if (isClosed)
        return true;
    if (!openings(set, at.index).some((opening) => continues(opening, stream)))
        return false;
    return at.entry.kind !== "stream-head" || coversNothingNew(set, at);
}
function isGap(set, { index, entry }) {
    if (!entry?.isStatement)
        return false;
    const stream = BigInt(entry.stream);
    const earlier = set.statements(stream).filter((one) => one.index < index);
    const last = earlier[earlier.length - 1];
    const next = last === undefined ? 0 : last.statement.sequence + 1;
    if (entry.sequence < next)
        return true;
    return entry.sequence > next && (last !== undefined || set.opening(stream) !== null) && set.hasAll(last?.index ?? stream, index);
}
function lacksEntries(set, at, range) {
    const stream = streamOf(at.entry);
    const head = at.head?.head;
    if (stream === null || head === undefined)
        return false;
    const starts = [...set.earlierHeads(at).map((earlier) => earlier.index), stream];
    return starts.filter((from) => set.hasAll(from, at.index)).some((from) => {
        const grown = rangeAt(set, stream, from, range);
        if (grown === null)
            return false;
        for (const { index, bytes } of set.statements(stream)) {
            if (index >= from && index < at.index)
                grown.push(streamLeafHash(bytes));
        }
        return head.size !== grown.size || !equalBytes(head.root, grown.root());
    });
}
function rangeAt(set, stream, from, range) {
    if (from === stream)
        return set.opening(stream) === null ? null : new CompactRange();
    const head = set.at(from)?.head?.head;
    if (head === undefined)
        return null;
    const begun = CompactRange.from(head.size, range);
    return begun !== null && equalBytes(begun.root(), head.root) ? begun : null;
}
