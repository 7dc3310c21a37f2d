import { openCosigned } from "./checkpoint.js";
import { openEnrolment, openGenesis, openQuota, openRevocation, openStreamOpening, } from "./control.js";
import { isHead, streamOrigin, tryDecodeEntry } from "./entry.js";
import { orNull, refusalIn, UnsignedNote } from "./errors.js";
import { sameKey } from "./key.js";
import { isSignedByNamed, KeyChangeError, Operators, readOperatorNote, WitnessKeys } from "./operators.js";
import { openContinuation, openRetirement } from "./succession.js";
export function streamOf(entry) {
    return entry !== null && "stream" in entry ? BigInt(entry.stream) : null;
}
export class EntrySet {
    constructor(genesis, list, byIndex, allOperators) {
        this.genesis = genesis;
        this.list = list;
        this.byIndex = byIndex;
        this.allOperators = allOperators;
    }
    operators(index) {
        return this.allOperators?.before(index) ?? null;
    }
    static async of(entries, trust) {
        const { origin, crypto } = trust;
        const sorted = [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
        const first = tryDecodeEntry(entries.get(0n));
        const opened = first?.kind === "genesis" ? await orNull(openGenesis(first.note, [trust.log], crypto)) : null;
        const genesis = opened?.origin === origin ? opened : null;
        const list = [];
        const operators = genesis === null ? null : new Operators(genesis.operator);
        const witnessKeys = new WitnessKeys();
        for (const [index, bytes] of sorted) {
            const entry = tryDecodeEntry(bytes);
            let fault = null;
            const read = async (kind, open) => {
                if (entry?.kind !== kind || !("note" in entry) || operators === null)
                    return null;
                const opened = await operators.signed((key) => open(entry.note, key));
                if ("value" in opened)
                    return opened.value;
                fault = { unsigned: opened.fault instanceof UnsignedNote, retired: opened.isRetired };
                return null;
            };
            let change = null;
            if (entry?.kind === "operator-changed" && operators !== null) {
                change = await changeFault(entry.note, trust, () => operators.take(index, entry.note, origin, crypto));
            }
            else if (entry?.kind === "witness-rotated") {
                change = await changeFault(entry.note, trust, () => witnessKeys.take(entry.note, crypto));
            }
            const retirement = entry?.kind === "log-retired" ? await orNull(openRetirement(entry.note, crypto)) : null;
            const continues = entry?.kind === "log-continued" && (await orNull(openContinuation(entry.note, trust.log, crypto))) !== null;
            list.push({
                index, bytes, entry, head: null, continues, change, retires: retirement !== null && sameKey(retirement.log, trust.log),
                opening: entry?.kind === "stream-opened" ? await orNull(openStreamOpening(entry.note, origin, crypto)) : null,
                enrolment: await read("gateway-enrolled", (note, by) => openEnrolment(note, origin, by, crypto)),
                revocation: await read("gateway-revoked", (note, by) => openRevocation(note, origin, by, crypto)),
                quota: await read("quota-set", (note, by) => openQuota(note, origin, by, crypto)),
                get fault() { return fault; },
            });
        }
        const set = new EntrySet(genesis, list, new Map(list.map((known) => [known.index, known])), operators);
        for (const known of list) {
            const { entry } = known;
            if (!isHead(entry))
                continue;
            const opening = set.opening(BigInt(entry.stream));
            if (opening !== null)
                known.head = await orNull(openCosigned(entry.note, streamOrigin(origin, entry.stream), opening.stream, crypto));
        }
        return set;
    }
    at(index) {
        return this.byIndex.get(index);
    }
    opening(stream) {
        return this.at(stream)?.opening ?? null;
    }
    hasAll(from, to) {
        if (from > to || to - from >= BigInt(this.list.length))
            return false;
        for (let index = from; index <= to; index++)
            if (!this.byIndex.has(index))
                return false;
        return true;
    }
    get hasHoles() {
        return this.list.some((known, at) => at > 0 && known.index - this.list[at - 1].index > 1n);
    }
    before(index) {
        return this.list.filter((known) => known.index < index);
    }
    statements(stream) {
        return this.list.flatMap(({ index, bytes, entry }) => entry?.isStatement && BigInt(entry.stream) === stream ? [{ index, bytes, statement: entry }] : []);
    }
    earlierHeads({ index, entry }) {
        const stream = streamOf(entry);
        return this.before(index).flatMap((known) => known.head !== null && streamOf(known.entry) === stream ? [{ index: known.index, head: known.head }] : []);
    }
    isEnrolled(key, index) {
        return this.before(index).some(({ enrolment }) => enrolment !== null && sameKey(enrolment.gateway, key));
    }
    replacements(key) {
        return this.list.flatMap(({ index, enrolment }) => {
            const replaced = enrolment?.replaces?.key;
            return replaced !== undefined && sameKey(replaced, key) ? [index] : [];
        });
    }
    revocations(key) {
        return this.list.flatMap(({ index, entry, revocation, enrolment }) => {
            if (revocation !== null)
                return sameKey(revocation.gateway, key) ? [{ index, effective: revocation.effective }] : [];
            const replaces = enrolment?.replaces;
            const withdraws = replaces && !replaces.rotation && sameKey(replaces.key, key);
            return withdraws ? [{ index, effective: entry.loggedAt }] : [];
        });
    }
}
async function changeFault(note, trust, take) {
    try {
        await take();
        return null;
    }
    catch (error) {
        const refusal = refusalIn(error);
        const why = refusal instanceof KeyChangeError ? refusal.why : refusal instanceof UnsignedNote ? "unsigned" : "content";
        const read = await orNull((async () => readOperatorNote(note, trust.origin))());
        return {
            why,
            isSignedByNamed: await isSignedByNamed(note, trust.origin, trust.crypto),
            replaces: read?.kind === "change" ? read.replaces : null,
        };
    }
}
