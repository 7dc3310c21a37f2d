import { FINDING_KINDS, ruleOf, severityOf } from "../kinds.js";
export const MAX_LISTED = 16;
export const PRUNED = -1;
export class Found {
    constructor() {
        this.#list = [];
        this.counts = new Map();
    }
    #list;
    add(kind, place, words) {
        const count = (this.counts.get(kind) ?? 0) + 1;
        this.counts.set(kind, count);
        if (count > MAX_LISTED)
            return this.#list.map((one) => one.kind).lastIndexOf(kind);
        this.#list.push({ kind, place, words, cause: null, consequences: 0 });
        return this.#list.length - 1;
    }
    addAt(kind, index, words) {
        return this.add(kind, { entry: BigInt(index) }, words);
    }
    addIn(kind, stream, index, words) {
        return this.add(kind, { stream: BigInt(stream), entry: BigInt(index) }, words);
    }
    explain(finding, by) {
        if (by < finding)
            this.#list[finding].cause = by;
    }
    follows(cause) {
        if (cause !== PRUNED)
            this.#list[cause].consequences++;
    }
    get hasTreeFault() {
        return this.#list.some(({ kind }) => isAboutTree(kind));
    }
    findings() {
        const order = this.#list.map((_, at) => at).sort((one, other) => {
            const [a, b] = [this.#list[one], this.#list[other]];
            return Number(a.cause !== null) - Number(b.cause !== null) || rank(a.kind) - rank(b.kind) || one - other;
        });
        return order.map((at) => {
            const { kind, place, words, cause, consequences } = this.#list[at];
            const followsFrom = cause === null ? null : order.indexOf(cause);
            return { kind, rule: ruleOf(kind), severity: severityOf(kind), place, words, followsFrom, consequences };
        });
    }
}
const at = (kind) => FINDING_KINDS.indexOf(kind);
function isAboutTree(kind) {
    return at(kind) > at("stale-checkpoint") && at(kind) < at("bad-genesis");
}
function rank(kind) {
    if (kind === "silent-stream")
        return 4;
    if (kind === "stale-checkpoint")
        return 2;
    return at(kind) < at("stale-checkpoint") ? 0 : isAboutTree(kind) ? 1 : 3;
}
