import { equalBytes } from "../bytes.js";
import { PRUNED } from "./found.js";
import { StreamTree } from "./stream_tree.js";
export class Stream {
    constructor(id, aliveAt, found) {
        this.id = id;
        this.aliveAt = aliveAt;
        this.found = found;
        this.gateway = null;
        this.key = null;
        this.tree = new StreamTree();
        this.next = 0;
        this.statements = 0;
        this.lastStatement = 0;
        this.head = null;
        this.heads = 0;
        this.uncoveredSince = null;
        this.closed = null;
        this.succeeded = null;
        this.withdrawn = null;
        this.broken = null;
        this.losses = 0;
    }
    #add(kind, index, words) {
        return this.found.add(kind, { stream: BigInt(this.id), entry: BigInt(index) }, words);
    }
    checkOpen(index) {
        const ended = this.closed ?? this.succeeded;
        if (ended === null)
            return;
        this.#add("entry-after-close", index, `stream ${this.id} ended at entry ${ended}`);
    }
    checkNotWithdrawn(index, now, what) {
        if (this.withdrawn === null || this.withdrawn.effective > now)
            return true;
        this.#add("revoked-key-used", index, `${what} of stream ${this.id}, whose gateway's key was revoked at entry ${this.withdrawn.index}`);
        return false;
    }
    notePruned(prunedUntil) {
        const last = Math.max(this.id, this.lastStatement, this.head?.index ?? 0);
        if (last >= prunedUntil || this.broken !== null)
            return;
        this.broken = PRUNED;
    }
    get isPruned() {
        return this.broken === PRUNED;
    }
    checkSequence(index, sequence) {
        if (sequence === this.next)
            return;
        if (this.broken !== null)
            return this.found.follows(this.broken);
        this.broken = this.#add("stream-gap", index, `stream ${this.id} has sequence number ${sequence} where ${this.next} follows`);
    }
    checkNotEnded(index, now, what) {
        this.checkNotWithdrawn(index, now, what);
        if (this.succeeded === null)
            return;
        this.#add("entry-after-close", index, `${what} of stream ${this.id}, which was succeeded at entry ${this.succeeded}`);
    }
    checkHeadTime(index, { head, timestamp }) {
        const last = this.head;
        if (last === null)
            return;
        if (timestamp > last.timestamp || (timestamp === last.timestamp && head.size > last.head.size))
            return;
        this.#add("time-going-back", index, "a head that is older than the one before it was written again");
    }
    checkHead(index, head) {
        const last = this.head?.head;
        if (last !== undefined && last.size === head.size && !equalBytes(last.root, head.root)) {
            const cause = this.#add("stream-fork", index, `two heads of size ${head.size} have different roots`);
            this.broken ??= cause;
            return false;
        }
        if (this.broken !== null) {
            if (head.size !== BigInt(this.next))
                this.found.follows(this.broken);
            return false;
        }
        if (head.size === this.tree.size && equalBytes(head.root, this.tree.root()))
            return true;
        this.broken = this.#add("head-without-entries", index, `the gateway signed ${head.size} statements, the log has ${this.tree.size}, or other ones`);
        return false;
    }
    owesHeadSince(isHouse) {
        const isOver = this.closed !== null || this.succeeded !== null || this.withdrawn !== null;
        if (isOver || this.broken !== null || this.gateway === null)
            return null;
        return isHouse ? this.uncoveredSince : this.aliveAt;
    }
}
