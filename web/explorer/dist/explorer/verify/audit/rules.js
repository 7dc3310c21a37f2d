import { readUint } from "../bytes.js";
import { openCosigned } from "../checkpoint.js";
import { openEnrolment, openGenesis, openPruning, openQuota, openRevocation, openStreamOpening } from "../control.js";
import { decodeEntry, isEvidence, isStatementByte, streamLeafHash, streamOrigin } from "../entry.js";
import { orNull, refusalIn, UnsignedNote, VerifyError } from "../errors.js";
import { KeyChangeError, Operators, WitnessKeys } from "../operators.js";
import { openContinuation, openRetirement } from "../succession.js";
import { sameKey } from "../key.js";
import { TILE_WIDTH } from "../tile.js";
import { STATEMENT_BYTES } from "./batch.js";
import { Registry } from "./registry.js";
import { Stream } from "./stream.js";
export class Rules {
    #witnessKeys;
    #last;
    #lastIndex;
    #uptime;
    #byKey;
    #beyondEnd;
    #lost;
    #prunedUntil;
    constructor(trust, terms, found) {
        this.trust = trust;
        this.terms = terms;
        this.found = found;
        this.operators = null;
        this.#witnessKeys = new WitnessKeys();
        this.#last = 0;
        this.#lastIndex = 0;
        this.#uptime = 0;
        this.statements = 0;
        this.streams = new Map();
        this.#byKey = new Map();
        this.retired = null;
        this.continues = null;
        this.#beyondEnd = null;
        this.#lost = null;
        this.#prunedUntil = 0;
        this.registry = new Registry(found, (key, withdrawn) => this.#withdraw(key, withdrawn));
    }
    #withdraw(key, withdrawn) {
        for (const stream of this.streams.values()) {
            if (stream.gateway !== null && sameKey(stream.gateway, key))
                stream.withdrawn = withdrawn;
        }
    }
    lose(cause) {
        this.#lost ??= cause;
        for (const stream of this.streams.values())
            stream.broken ??= cause;
    }
    passPruned(end) {
        this.#prunedUntil = end;
    }
    takeStatement(index, bytes, from, to, leaves) {
        if (index === 0 || to - from !== STATEMENT_BYTES || !isStatementByte(bytes[from]) || !isEvidence(readUint(bytes, from + 18, 4)))
            return false;
        this.#time(index, readUint(bytes, from + 1, 6));
        this.#checkNotRetired(index);
        this.#statement(index, bytes, from, leaves);
        return true;
    }
    entry(index, bytes) {
        let entry;
        try {
            entry = decodeEntry(bytes);
        }
        catch (error) {
            if (!(error instanceof VerifyError))
                throw error;
            const cause = this.found.addAt(index === 0 ? "bad-genesis" : "undecodable-entry", index, error.message);
            return this.lose(cause);
        }
        this.#time(index, entry.loggedAt);
        this.#checkNotRetired(index);
        if (entry.isStatement)
            this.#statement(index, bytes, 0, null);
        const done = entry.isStatement ? undefined : this.#control(index, entry);
        if (index > 0 || entry.kind === "genesis")
            return done;
        const withoutGenesis = () => {
            this.lose(this.found.addAt("bad-genesis", 0, "the first entry is not a genesis entry"));
        };
        return done === undefined ? withoutGenesis() : done.then(withoutGenesis);
    }
    #checkNotRetired(index) {
        if (this.retired === null)
            return;
        if (this.#beyondEnd !== null)
            return this.found.follows(this.#beyondEnd);
        const words = `the log ended at entry ${this.retired.index}`;
        this.#beyondEnd = this.found.addAt("entry-after-retirement", index, words);
    }
    async #logRetired(index, note) {
        const retirement = await orNull(openRetirement(note, this.trust.crypto));
        if (retirement === null || !sameKey(retirement.log, this.trust.log)) {
            this.found.addAt("bad-succession", index, "the retirement of the log is rejected");
        }
        else {
            this.retired ??= { index, retirement };
        }
    }
    async #logContinued(index, note) {
        const proof = index === 1 ? await orNull(openContinuation(note, this.trust.log, this.trust.crypto)) : null;
        if (proof !== null)
            this.continues = proof;
        else
            this.found.addAt("bad-succession", index, "the predecessor is not proven, or not named in entry 1");
    }
    async #logPruned(index, note) {
        const { origin, log, crypto } = this.trust;
        const pruning = await orNull(openPruning(note, origin, log, crypto));
        if (pruning !== null && pruning.minimum <= BigInt(index))
            return;
        this.found.addAt("undecodable-entry", index, "the announcement of a minimum index is not signed by the log, or the index lies behind it");
    }
    #time(index, now) {
        if (now < this.#last) {
            this.found.addAt("time-going-back", index, `the entry is of ${now} ms, entry ${this.#lastIndex} of ${this.#last} ms`);
        }
        else if (index > 0) {
            this.#uptime += Math.min(now - this.#last, this.terms.headInterval);
        }
        this.#last = now;
        this.#lastIndex = index;
    }
    #statement(index, bytes, from, leaves) {
        this.statements++;
        const id = readUint(bytes, from + 7, 5);
        const stream = this.streams.get(id);
        if (stream === undefined)
            return this.#unknownStream(index, id);
        stream.checkOpen(index);
        stream.checkNotWithdrawn(index, this.#last, "a statement");
        const sequence = readUint(bytes, from + 12, 6);
        if (sequence !== stream.next)
            stream.notePruned(this.#prunedUntil);
        stream.checkSequence(index, sequence);
        if (stream.broken === null) {
            if (leaves === null)
                stream.tree.push(streamLeafHash(bytes.subarray(from, from + STATEMENT_BYTES)));
            else
                stream.tree.pushWords(leaves, (index % TILE_WIDTH) * 8);
        }
        stream.next = sequence + 1;
        stream.lastStatement = index;
        stream.statements++;
        stream.uncoveredSince ??= this.#uptime;
        if (bytes[from] === 0x08)
            stream.losses++;
    }
    #unknownStream(index, id) {
        if (this.#lost !== null)
            return this.found.follows(this.#lost);
        this.found.addIn("unknown-stream", id, index, `stream ${id} was never opened`);
    }
    async #control(index, entry) {
        const { origin, crypto } = this.trust;
        switch (entry.kind) {
            case "genesis": return this.#genesis(index, entry.note);
            case "stream-opened": {
                const opening = await orNull(openStreamOpening(entry.note, origin, crypto));
                return this.#opened(index, opening);
            }
            case "stream-head":
            case "stream-closed": return this.#head(index, entry);
            case "gateway-enrolled": {
                const enrolment = await this.#byOperator(index, "enrolment", (key) => openEnrolment(entry.note, origin, key, crypto));
                if (enrolment !== null)
                    this.registry.enrol(index, entry.loggedAt, enrolment, this.#lost !== null);
                return;
            }
            case "gateway-revoked": {
                const revocation = await this.#byOperator(index, "revocation", (key) => openRevocation(entry.note, origin, key, crypto));
                if (revocation !== null)
                    this.registry.revoke(index, revocation, this.#lost !== null);
                return;
            }
            case "operator-changed": return this.#operatorChanged(index, entry.note);
            case "witness-rotated": return this.#witnessRotated(index, entry.note);
            case "log-retired": return this.#logRetired(index, entry.note);
            case "log-continued": return this.#logContinued(index, entry.note);
            case "log-pruned": return this.#logPruned(index, entry.note);
            case "quota-set": {
                const quota = await this.#byOperator(index, "quota", (key) => openQuota(entry.note, origin, key, crypto));
                if (quota !== null)
                    this.registry.setQuota(index, quota);
            }
        }
    }
    async #byOperator(index, what, open) {
        if (this.operators === null)
            return null;
        const opened = await this.operators.signed(open);
        if ("value" in opened)
            return opened.value;
        const { fault, isRetired } = opened;
        if (isRetired)
            this.found.addAt("retired-operator-key", index, `the ${what} is signed by a key of the operator that was replaced`);
        else if (this.#lost !== null && fault instanceof UnsignedNote)
            this.found.follows(this.#lost);
        else
            this.registry.bad(index, `the ${what} is rejected: ${fault.message}`);
        return null;
    }
    async #operatorChanged(index, note) {
        if (this.operators === null)
            return;
        try {
            await this.operators.take(BigInt(index), note, this.trust.origin, this.trust.crypto);
        }
        catch (error) {
            const fault = refusalIn(error);
            const mayFollow = fault instanceof UnsignedNote || (fault instanceof KeyChangeError && fault.why !== "used-before");
            if (this.#lost !== null && mayFollow)
                return this.found.follows(this.#lost);
            this.found.addAt("bad-operator-change", index, `the change of the operator's key is rejected: ${fault.message}`);
        }
    }
    async #witnessRotated(index, note) {
        if ((await orNull(this.#witnessKeys.take(note, this.trust.crypto))) !== null)
            return;
        this.found.addAt("bad-witness-rotation", index, "the rotation of a witness's key is rejected");
    }
    async #genesis(index, note) {
        const { origin, crypto, log } = this.trust;
        if (index === 0) {
            const genesis = await orNull(openGenesis(note, [log], crypto));
            if (genesis?.origin === origin) {
                this.operators = new Operators(genesis.operator);
                return;
            }
        }
        const words = index === 0 ? "the genesis entry is not one of this log, signed by its key" : "a second genesis entry";
        const cause = this.found.addAt("bad-genesis", index, words);
        if (index === 0)
            this.lose(cause);
    }
    #opened(index, opening) {
        if (index >= 2 ** 40)
            return;
        const stream = new Stream(index, this.#uptime, this.found);
        const bad = (words) => this.found.addIn("bad-opening", index, index, words);
        if (opening === null) {
            stream.broken = bad("the opening is rejected");
            this.streams.set(index, stream);
            return;
        }
        this.#checkGateway(index, opening, stream);
        const other = this.#byKey.get(opening.stream.vkey);
        if (other !== undefined)
            bad(`its key already opened stream ${other}`);
        else
            this.#byKey.set(opening.stream.vkey, index);
        if (opening.previous !== null)
            this.#succeed(index, opening, opening.previous);
        stream.gateway = opening.gateway;
        stream.key = opening.stream;
        this.streams.set(index, stream);
    }
    #checkGateway(index, { gateway: key }, stream) {
        const gateway = this.registry.get(key);
        if (gateway === undefined) {
            if (this.#lost !== null)
                return this.found.follows(this.#lost);
            this.found.addIn("unknown-gateway", index, index, `the key of ${key.name} is not enrolled`);
            return;
        }
        stream.withdrawn = gateway.withdrawn;
        const isValid = stream.checkNotWithdrawn(index, this.#last, "the opening");
        if (gateway.replaced !== null && isValid) {
            this.found.addIn("revoked-key-used", index, index, `entry ${gateway.replaced} replaced the key of ${key.name}`);
        }
    }
    #succeed(index, opening, previous) {
        const bad = (words) => {
            this.found.addIn("bad-restart", index, index, `it continues stream ${previous.stream}, which ${words}`);
        };
        const before = this.streams.get(previous.stream);
        if (before === undefined) {
            if (this.#lost !== null)
                return this.found.follows(this.#lost);
            return bad("was never opened");
        }
        if (before.gateway !== null && before.gateway.name !== opening.gateway.name) {
            return bad(`belongs to ${before.gateway.name}`);
        }
        if (before.succeeded !== null)
            return bad(`entry ${before.succeeded} already continues`);
        before.succeeded = index;
        if (previous.size === before.next)
            return;
        before.notePruned(this.#prunedUntil);
        if (before.broken !== null)
            return this.found.follows(before.broken);
        bad(`stopped at ${before.next}, not at ${previous.size}`);
    }
    async #head(index, entry) {
        const stream = this.streams.get(entry.stream);
        if (stream === undefined)
            return this.#unknownStream(index, entry.stream);
        stream.heads++;
        if (stream.closed !== null)
            return stream.checkOpen(index);
        const closes = entry.kind === "stream-closed";
        if (closes)
            stream.closed = index;
        if (stream.key === null)
            return;
        const origin = streamOrigin(this.trust.origin, stream.id);
        const head = await orNull(openCosigned(entry.note, origin, stream.key, this.trust.crypto));
        if (head === null) {
            this.found.addIn("forged-head", stream.id, index, "the head is not signed by the stream's key");
            return;
        }
        this.#takeHead(index, stream, head, closes);
    }
    #takeHead(index, stream, signed, closes) {
        const covered = stream.head?.head.size ?? 0n;
        if (closes)
            stream.checkNotEnded(index, this.#last, "the closing");
        else if (signed.head.size <= covered)
            stream.checkNotEnded(index, this.#last, "a heartbeat");
        stream.checkHeadTime(index, signed);
        if (signed.head.size !== BigInt(stream.next))
            stream.notePruned(this.#prunedUntil);
        if (stream.checkHead(index, signed.head)) {
            stream.head = { index, head: signed.head, timestamp: signed.timestamp };
        }
        stream.aliveAt = this.#uptime;
        stream.uncoveredSince = null;
    }
    findSilence() {
        const houses = [...this.terms.houseGateways, `${this.trust.origin}/house`];
        for (const stream of [...this.streams.values()].sort((one, other) => one.id - other.id)) {
            const since = stream.owesHeadSince(stream.gateway !== null && houses.includes(stream.gateway.name));
            if (since === null || this.#uptime - since <= this.terms.heartbeatAllowance)
                continue;
            const seconds = Math.floor((this.#uptime - since) / 1000);
            this.found.add("silent-stream", { stream: BigInt(stream.id) }, `the log grew for ${seconds} seconds without a head of the stream`);
        }
    }
}
