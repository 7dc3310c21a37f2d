import { equalBytes } from "../bytes.js";
import { CompactRange } from "../merkle.js";
export const placeOf = (stream, index) => ({ stream: BigInt(stream), entry: BigInt(index) });
export class Stream {
    id;
    aliveAt;
    gateway = null;
    key = null;
    range = CompactRange.empty();
    next = 0;
    statements = 0;
    lastStatement = null;
    head = null;
    heads = 0;
    uncoveredSince = null;
    closed = null;
    succeeded = null;
    withdrawn = null;
    broken = null;
    losses = 0;
    constructor(id, aliveAt) {
        this.id = id;
        this.aliveAt = aliveAt;
    }
    checkOpen(index, found) {
        const ended = this.closed ?? this.succeeded;
        if (ended === null)
            return;
        found.add("entry-after-close", placeOf(this.id, index), `stream ${this.id} ended at entry ${ended}`);
    }
    checkNotWithdrawn(index, now, what, found) {
        if (this.withdrawn === null || this.withdrawn.effective > now)
            return true;
        found.add("revoked-key-used", placeOf(this.id, index), `${what} of stream ${this.id}, whose gateway's key was revoked at entry ${this.withdrawn.index}`);
        return false;
    }
    checkSequence(index, sequence, found) {
        if (sequence === this.next)
            return;
        if (this.broken !== null)
            return found.follows(this.broken);
        this.broken = found.add("stream-gap", placeOf(this.id, index), `stream ${this.id} has sequence number ${sequence} where ${this.next} follows`);
    }
    checkNotEnded(index, now, what, found) {
        this.checkNotWithdrawn(index, now, what, found);
        if (this.succeeded === null)
            return;
        found.add("entry-after-close", placeOf(this.id, index), `${what} of stream ${this.id}, which was succeeded at entry ${this.succeeded}`);
    }
    checkHeadTime(index, { head, timestamp }, found) {
        const last = this.head;
        if (last === null)
            return;
        if (timestamp > last.timestamp || (timestamp === last.timestamp && head.size > last.head.size))
            return;
        found.add("time-going-back", placeOf(this.id, index), "a head that is older than the one before it was written again");
    }
    checkHead(index, head, found) {
        const last = this.head?.head;
        if (last !== undefined && last.size === head.size && !equalBytes(last.root, head.root)) {
            const cause = found.add("stream-fork", placeOf(this.id, index), `two heads of size ${head.size} have different roots`);
            this.broken ??= cause;
            return false;
        }
        if (this.broken !== null) {
            if (head.size !== BigInt(this.next))
                found.follows(this.broken);
            return false;
        }
        if (head.size === this.range.size && equalBytes(head.root, this.range.root()))
            return true;
        this.broken = found.add("head-without-entries", placeOf(this.id, index), `the gateway signed ${head.size} statements, the log has ${this.range.size}, or other ones`);
        return false;
    }
    owesHeadSince(isHouse) {
        const isOver = this.closed !== null || this.succeeded !== null || this.withdrawn !== null;
        if (isOver || this.broken !== null || this.gateway === null)
            return null;
        return isHouse ? this.uncoveredSince : this.aliveAt;
    }
}
