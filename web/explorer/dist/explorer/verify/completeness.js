import { openCosigned } from "./checkpoint.js";
import { openEnrolment, openGenesis, openStreamOpening } from "./control.js";
import { cosignatures } from "./cosigned.js";
import { streamLeafHash, streamOrigin, tryDecodeEntry } from "./entry.js";
import { orNull, recastAsync, refuse } from "./errors.js";
import { equalBytes } from "./bytes.js";
import { format, hash, list, listOrNone, object, optional, parseWithin, readMembers, string, u64 } from "./json.js";
import { sameKey } from "./key.js";
import { CompactRange } from "./merkle.js";
import { Operators } from "./operators.js";
import { trustIn } from "./presentation.js";
import { run, verifyOne, verifyRun } from "./runs.js";
export const COMPLETENESS_FORMAT = "vouchlog/v1 completeness";
export const MAX_COMPLETENESS_BYTES = 256 << 20;
const MAX_STATEMENTS = 1 << 20;
const MAX_RUNS = 1 << 16;
export function parseCompleteness(bytes) {
    return completenessOf(parseWithin(bytes, MAX_COMPLETENESS_BYTES));
}
const FILE = {
    format: format(COMPLETENESS_FORMAT), origin: string, from: u64, to: u64, checkpoint: string, genesis: run, operators: listOrNone(run),
    streams: list(object("a stream of the file", {
        enrolment: run, opening: run, entries: list(run), base: optional(object("the base of a stream", { head: run, range: list(hash) })),
    })),
};
export function completenessOf(parsed) {
    const read = readMembers(parsed, "the completeness file", FILE);
    const runs = read.streams.flatMap((stream) => stream.entries);
    if (runs.length > MAX_RUNS)
        refuse("too-large", `the streams are in more than ${MAX_RUNS} pieces`);
    const count = runs.reduce((sum, { entries }) => sum + entries.length, 0);
    if (count > MAX_STATEMENTS)
        refuse("too-large", `there are more than ${MAX_STATEMENTS} statements`);
    return read;
}
export async function verifyCompleteness(proof, trust) {
    const signed = await trust.signed(proof.checkpoint);
    const cosigned = await cosignatures(signed, trust);
    const { head } = signed;
    if (trust.policy !== null) {
        await trust.check("witnesses", "the checkpoint", () => {
            if (!cosigned.quorum)
                refuse("quorum", "the checkpoint has no quorum of witnesses");
        }, () => ({ size: head.size, cosignedBy: cosigned.by, quorumNone: trust.policy.isQuorumNone }));
    }
    const operators = await trust.check("operator", "the genesis", () => {
        if (proof.from > proof.to || proof.to > head.size)
            refuse("format", "the part of the log that it covers is none of this log");
        return operatorsOf(proof, head, trust);
    }, ({ key }) => ({ operator: key.name, key: key.id, changes: proof.operators.length }));
    const streams = [];
    const seen = new Set();
    for (const stream of proof.streams) {
        streams.push(await trust.check("stream", `stream ${stream.opening.first}`, async () => {
            const replay = await Replay.begin(stream, head, operators, trust);
            const shown = await replay.run(stream, head, proof.to);
            if (seen.has(shown.stream))
                refuse("incomplete", `stream ${shown.stream} occurs twice in the file`);
            seen.add(shown.stream);
            return shown;
        }, ({ gateway, first, signed: end, pending, heads }) => ({ gateway: gateway.name, first, end, pending, heads })));
    }
    return { size: head.size, root: head.root, cosignedBy: cosigned.by, streams };
}
async function operatorsOf({ genesis: run, operators: changes }, head, trust) {
    verifyRun(run, head);
    const entry = run.first === 0n ? tryDecodeEntry(run.entries[0]) : null;
    const genesis = entry?.kind === "genesis" ? await orNull(openGenesis(entry.note, [trust.log], trust.crypto)) : null;
    if (genesis === null || genesis.origin !== trust.origin)
        refuse("format", "its first entry is not the genesis of this log");
    const operators = new Operators(genesis.operator);
    let last = 0n;
    for (const change of changes) {
        const changed = verifyOne(change, head);
        if (changed?.kind !== "operator-changed" || change.first <= last) {
            return refuse("format", `entry ${change.first} is not the next change of the operator's key`);
        }
        last = change.first;
        await recastAsync("format", `entry ${last}`, () => operators.take(last, changed.note, trust.origin, trust.crypto));
    }
    return operators;
}
class Replay {
    #range = new CompactRange();
    #last;
    #first = 0n;
    #signed = 0n;
    #heads = 0;
    #newestHead = null;
    #closed = false;
    #losses = [];
    constructor(id, opening, enrolment, trust) {
        this.id = id;
        this.opening = opening;
        this.enrolment = enrolment;
        this.trust = trust;
        this.#last = id;
    }
    #no(problem) {
        return refuse("incomplete", `stream ${this.id}: ${problem}`);
    }
    static async begin(proof, head, operators, trust) {
        const { origin, crypto } = trust;
        const id = proof.opening.first;
        const no = (problem) => refuse("incomplete", `stream ${id}: ${problem}`);
        const opened = verifyOne(proof.opening, head);
        if (opened?.kind !== "stream-opened" || id >= 1n << 40n)
            return no("the entry at its index is not an opening");
        const opening = await orNull(openStreamOpening(opened.note, origin, crypto)) ?? no("its opening does not verify");
        const entry = verifyOne(proof.enrolment, head);
        const operator = operators.at(proof.enrolment.first);
        const enrolment = entry?.kind === "gateway-enrolled" ? await orNull(openEnrolment(entry.note, origin, operator, crypto)) : null;
        if (enrolment === null || !sameKey(enrolment.gateway, opening.gateway) || proof.enrolment.first >= id) {
            return no("its gateway's enrolment is not shown");
        }
        const replay = new Replay(id, opening, enrolment, trust);
        if (proof.base !== null)
            await replay.#beginAt(proof.base.head, proof.base.range, head);
        return replay;
    }
    async #beginAt(run, hashes, tree) {
        const entry = verifyOne(run, tree);
        if (entry?.kind !== "stream-head" || BigInt(entry.stream) !== this.id)
            return this.#no("it does not start with a head of the stream");
        const signed = await this.#openHead(entry.note);
        const range = CompactRange.from(signed.head.size, hashes);
        if (range === null || !equalBytes(range.root(), signed.head.root))
            return this.#no("the range at its start is not the signed one");
        this.#range = range;
        if (run.first > this.#last)
            this.#last = run.first;
        this.#first = this.#signed = signed.head.size;
        this.#newestHead = signed.timestamp;
    }
    async #openHead(note) {
        const origin = streamOrigin(this.trust.origin, this.id);
        return (await orNull(openCosigned(note, origin, this.opening.stream, this.trust.crypto))) ?? this.#no("a head does not verify");
    }
    async run(proof, head, to) {
        for (const run of proof.entries) {
            verifyRun(run, head);
            if (run.first <= this.#last)
                this.#no("its entries are not in the order of the log");
            for (const [place, bytes] of run.entries.entries()) {
                const index = run.first + BigInt(place);
                if (index >= to)
                    this.#no("it exceeds the part of the log that it covers");
                await this.#entry(index, bytes, tryDecodeEntry(bytes));
                this.#last = index;
            }
        }
        const { gateway, previous } = this.opening;
        const { replaces } = this.enrolment;
        return {
            stream: Number(this.id),
            gateway,
            rotatedFrom: replaces?.rotation ? replaces.key : null,
            isHouse: gateway.name === `${this.trust.origin}/house`,
            continues: previous,
            first: this.#first,
            signed: this.#signed,
            pending: this.#range.size - this.#signed,
            heads: this.#heads,
            newestHead: this.#newestHead,
            closed: this.#closed,
            declaredLosses: this.#losses,
        };
    }
    async #entry(index, bytes, entry) {
        if (this.#closed)
            this.#no(`entry ${index} comes after its closing`);
        if (entry === null || !("stream" in entry) || BigInt(entry.stream) !== this.id) {
            return this.#no(`entry ${index} does not belong to the stream`);
        }
        if (entry.isStatement)
            return this.#statement(index, bytes, entry);
        this.#closed = entry.kind === "stream-closed";
        return this.#head(index, entry.note);
    }
    #statement(index, bytes, entry) {
        if (BigInt(entry.sequence) !== this.#range.size)
            this.#no(`entry ${index} has another sequence number than the one that follows`);
        this.#range.push(streamLeafHash(bytes));
        if (entry.kind === "declared-loss")
            this.#losses.push({ sequence: entry.sequence, index });
    }
    async #head(index, note) {
        const signed = await this.#openHead(note);
        if (signed.head.size !== this.#range.size || !equalBytes(signed.head.root, this.#range.root())) {
            this.#no(`the head at entry ${index} does not match the statements before it`);
        }
        if (this.#newestHead !== null && signed.timestamp < this.#newestHead)
            this.#no(`the head at entry ${index} is older than the one before it`);
        this.#signed = signed.head.size;
        this.#newestHead = signed.timestamp;
        this.#heads++;
    }
}
export async function verifyCompletenessFile(bytes, trust) {
    return verifyPinned(parseCompleteness(bytes), trust);
}
export async function verifyPinned(proof, trust) {
    const shown = await verifyCompleteness(proof, trust);
    for (const { gateway, rotatedFrom, isHouse, stream } of shown.streams) {
        if (trust.gateways.length === 0)
            continue;
        if (isHouse)
            refuse("house-stream", `stream ${stream} is the log's house stream`);
        const replaces = rotatedFrom === null ? null : { key: rotatedFrom, rotation: true, reason: "rotation" };
        trustIn({ gateway, replaces }, trust);
    }
    return shown;
}
