import { readUint } from "../bytes.js";
import { openCosigned } from "../checkpoint.js";
import { openEnrolment, openGenesis, openQuota, openRevocation, openStreamOpening } from "../control.js";
import { decodeEntry, isEvidence, isStatementByte, streamLeafHash, streamOrigin } from "../entry.js";
import { orNull, UnsignedNote, VerifyError } from "../errors.js";
import { KeyChangeError, Operators, WitnessKeys } from "../operators.js";
import { openContinuation, openRetirement } from "../succession.js";
import { sameKey } from "../key.js";
import { Registry } from "./registry.js";
import { placeOf, Stream } from "./stream.js";
export class Rules {
    trust;
    terms;
    found;
    operators = null;
    witnessKeys = new WitnessKeys();
    last = 0;
    lastIndex = 0;
    uptime = 0;
    statements = 0;
    streams = new Map();
    byKey = new Map();
    registry;
    retired = null;
    continues = null;
    beyondEnd = null;
    lost = null;
    constructor(trust, terms, found) {
        this.trust = trust;
        this.terms = terms;
        this.found = found;
        this.registry = new Registry(found, (key, withdrawn) => this.withdraw(key, withdrawn));
    }
    withdraw(key, withdrawn) {
        for (const stream of this.streams.values()) {
            if (stream.gateway !== null && sameKey(stream.gateway, key))
                stream.withdrawn = withdrawn;
        }
    }
    lose(cause) {
        this.lost ??= cause;
        for (const stream of this.streams.values())
            stream.broken ??= cause;
    }
    entry(index, bytes) {
        const isSound = bytes.length === 54 && isStatementByte(bytes[0]) && isEvidence(readUint(bytes, 18, 4));
        if (index > 0 && isSound) {
            this.time(index, readUint(bytes, 1, 6));
            this.checkNotRetired(index);
            return this.statement(index, bytes);
        }
        let entry;
        try {
            entry = decodeEntry(bytes);
        }
        catch (error) {
            if (!(error instanceof VerifyError))
                throw error;
            const cause = this.found.add(index === 0 ? "bad-genesis" : "undecodable-entry", { entry: BigInt(index) }, error.message);
            return this.lose(cause);
        }
        this.time(index, entry.loggedAt);
        this.checkNotRetired(index);
        if (entry.isStatement)
            this.statement(index, bytes);
        const done = entry.isStatement ? undefined : this.control(index, entry);
        if (index > 0 || entry.kind === "genesis")
            return done;
        const withoutGenesis = () => {
            this.lose(this.found.add("bad-genesis", { entry: 0n }, "the first entry is not a genesis entry"));
        };
        return done === undefined ? withoutGenesis() : done.then(withoutGenesis);
    }
    checkNotRetired(index) {
        if (this.retired === null)
            return;
        if (this.beyondEnd !== null)
            return this.found.follows(this.beyondEnd);
        const words = `the entry follows the retirement of the log, entry ${this.retired.index}`;
        this.beyondEnd = this.found.add("entry-after-retirement", { entry: BigInt(index) }, words);
    }
    async logRetired(index, note) {
        const retirement = await orNull(openRetirement(note, this.trust.crypto));
        if (retirement === null || !sameKey(retirement.log, this.trust.log)) {
            this.found.add("bad-succession", { entry: BigInt(index) }, "the retirement of the log is rejected");
        }
        else {
            this.retired ??= { index, retirement };
        }
    }
    async logContinued(index, note) {
        const proof = index === 1 ? await orNull(openContinuation(note, this.trust.log, this.trust.crypto)) : null;
        if (proof !== null)
            this.continues = proof;
        else
            this.found.add("bad-succession", { entry: BigInt(index) }, "the predecessor is not proven, or not named in entry 1");
    }
    time(index, now) {
        if (now < this.last) {
            this.found.add("time-going-back", { entry: BigInt(index) }, `the entry is dated ${now} ms, the earlier entry ${this.lastIndex} ${this.last} ms`);
        }
        else if (index > 0) {
            this.uptime += Math.min(now - this.last, this.terms.headInterval);
        }
        this.last = now;
        this.lastIndex = index;
    }
    statement(index, bytes) {
        this.statements++;
        const id = readUint(bytes, 7, 5);
        const stream = this.streams.get(id);
        if (stream === undefined)
            return this.unknownStream(index, id);
        stream.checkOpen(index, this.found);
        stream.checkNotWithdrawn(index, this.last, "a statement", this.found);
        const sequence = readUint(bytes, 12, 6);
        stream.checkSequence(index, sequence, this.found);
        if (stream.broken === null)
            stream.range.push(streamLeafHash(bytes));
        stream.next = sequence + 1;
        stream.statements++;
        stream.lastStatement = index;
        stream.uncoveredSince ??= this.uptime;
        if (bytes[0] === 0x08)
            stream.losses++;
    }
    unknownStream(index, id) {
        if (this.lost !== null)
            return this.found.follows(this.lost);
        this.found.add("unknown-stream", placeOf(id, index), `stream ${id} was never opened`);
    }
    async control(index, entry) {
        const { origin, crypto } = this.trust;
        switch (entry.kind) {
            case "genesis": return this.genesis(index, entry.note);
            case "stream-opened": {
                const opening = await orNull(openStreamOpening(entry.note, origin, crypto));
                return this.opened(index, opening);
            }
            case "stream-head":
            case "stream-closed": return this.head(index, entry);
            case "gateway-enrolled": {
                const enrolment = await this.byOperator(index, "enrolment", (key) => openEnrolment(entry.note, origin, key, crypto));
                if (enrolment !== null)
                    this.registry.enrol(index, entry.loggedAt, enrolment, this.lost !== null);
                return;
            }
            case "gateway-revoked": {
                const revocation = await this.byOperator(index, "revocation", (key) => openRevocation(entry.note, origin, key, crypto));
                if (revocation !== null)
                    this.registry.revoke(index, revocation, this.lost !== null);
                return;
            }
            case "operator-changed": return this.operatorChanged(index, entry.note);
            case "witness-rotated": return this.witnessRotated(index, entry.note);
            case "log-retired": return this.logRetired(index, entry.note);
            case "log-continued": return this.logContinued(index, entry.note);
            case "quota-set": {
                const quota = await this.byOperator(index, "quota", (key) => openQuota(entry.note, origin, key, crypto));
                if (quota !== null)
                    this.registry.setQuota(index, quota);
            }
        }
    }
    async byOperator(index, what, open) {
        const { operators } = this;
        if (operators === null)
            return null;
        let fault;
        try {
            return await open(operators.key);
        }
        catch (error) {
            if (!(error instanceof VerifyError) || error.reason === "unsupported")
                throw error;
            fault = error;
        }
        for (const key of operators.keys.slice(0, -1)) {
            if ((await orNull(open(key))) === null)
                continue;
            this.found.add("retired-operator-key", { entry: BigInt(index) }, `the ${what} is signed by a key of the operator that was replaced`);
            return null;
        }
        if (this.lost !== null && fault instanceof UnsignedNote)
            this.found.follows(this.lost);
        else
            this.registry.bad(index, `the ${what} is rejected: ${fault.message}`);
        return null;
    }
    async operatorChanged(index, note) {
        if (this.operators === null)
            return;
        try {
            await this.operators.take(BigInt(index), note, this.trust.origin, this.trust.crypto);
        }
        catch (error) {
            if (!(error instanceof VerifyError) || error.reason === "unsupported")
                throw error;
            const mayFollow = error instanceof UnsignedNote || (error instanceof KeyChangeError && error.why !== "used-before");
            if (this.lost !== null && mayFollow)
                return this.found.follows(this.lost);
            this.found.add("bad-operator-change", { entry: BigInt(index) }, `the change of the operator's key is rejected: ${error.message}`);
        }
    }
    async witnessRotated(index, note) {
        if ((await orNull(this.witnessKeys.take(note, this.trust.crypto))) !== null)
            return;
        this.found.add("bad-witness-rotation", { entry: BigInt(index) }, "the rotation of a witness's key is rejected");
    }
    async genesis(index, note) {
        const { origin, crypto, log } = this.trust;
        if (index === 0) {
            const genesis = await orNull(openGenesis(note, [log], crypto));
            if (genesis?.origin === origin) {
                this.operators = new Operators(genesis.operator);
                return;
            }
        }
        const words = index === 0 ? "the genesis entry is not one of this log, signed by its key" : "a second genesis entry";
        const cause = this.found.add("bad-genesis", { entry: BigInt(index) }, words);
        if (index === 0)
            this.lose(cause);
    }
    opened(index, opening) {
        if (index >= 2 ** 40)
            return;
        const stream = new Stream(index, this.uptime);
        const bad = (words) => this.found.add("bad-opening", placeOf(index, index), words);
        if (opening === null) {
            stream.broken = bad("the opening is rejected");
            this.streams.set(index, stream);
            return;
        }
        this.checkGateway(index, opening, stream);
        const other = this.byKey.get(opening.stream.vkey);
        if (other !== undefined)
            bad(`its key already opened stream ${other}`);
        else
            this.byKey.set(opening.stream.vkey, index);
        if (opening.previous !== null)
            this.succeed(index, opening, opening.previous);
        stream.gateway = opening.gateway;
        stream.key = opening.stream;
        this.streams.set(index, stream);
    }
    checkGateway(index, { gateway: key }, stream) {
        const gateway = this.registry.get(key);
        if (gateway === undefined) {
            if (this.lost !== null)
                return this.found.follows(this.lost);
            this.found.add("unknown-gateway", placeOf(index, index), `the key of ${key.name} is not enrolled`);
            return;
        }
        stream.withdrawn = gateway.withdrawn;
        const isValid = stream.checkNotWithdrawn(index, this.last, "the opening", this.found);
        if (gateway.replaced !== null && isValid) {
            this.found.add("revoked-key-used", placeOf(index, index), `the opening of stream ${index} is signed by a key of ${key.name} that entry ${gateway.replaced} replaced`);
        }
    }
    succeed(index, opening, previous) {
        const bad = (words) => { this.found.add("bad-restart", placeOf(index, index), words); };
        const before = this.streams.get(previous.stream);
        if (before === undefined) {
            if (this.lost !== null)
                return this.found.follows(this.lost);
            return bad(`it continues stream ${previous.stream}, which was never opened`);
        }
        if (before.gateway !== null && before.gateway.name !== opening.gateway.name) {
            return bad(`it continues stream ${before.id}, which belongs to ${before.gateway.name}`);
        }
        if (before.succeeded !== null)
            return bad(`it continues stream ${before.id}, which entry ${before.succeeded} already continues`);
        before.succeeded = index;
        if (previous.size === before.next)
            return;
        if (before.broken !== null)
            return this.found.follows(before.broken);
        bad(`it continues stream ${before.id} at size ${previous.size}, which stopped at ${before.next}`);
    }
    async head(index, entry) {
        const stream = this.streams.get(entry.stream);
        if (stream === undefined)
            return this.unknownStream(index, entry.stream);
        stream.heads++;
        if (stream.closed !== null)
            return stream.checkOpen(index, this.found);
        const closes = entry.kind === "stream-closed";
        if (closes)
            stream.closed = index;
        if (stream.key === null)
            return;
        const origin = streamOrigin(this.trust.origin, stream.id);
        const head = await orNull(openCosigned(entry.note, origin, stream.key, this.trust.crypto));
        if (head === null) {
            this.found.add("forged-head", placeOf(stream.id, index), "the head is not signed by the stream's key");
            return;
        }
        this.takeHead(index, stream, head, closes);
    }
    takeHead(index, stream, signed, closes) {
        const covered = stream.head?.head.size ?? 0n;
        if (closes)
            stream.checkNotEnded(index, this.last, "the closing", this.found);
        else if (signed.head.size <= covered)
            stream.checkNotEnded(index, this.last, "a heartbeat", this.found);
        stream.checkHeadTime(index, signed, this.found);
        if (stream.checkHead(index, signed.head, this.found)) {
            stream.head = { index, head: signed.head, timestamp: signed.timestamp };
        }
        stream.aliveAt = this.uptime;
        stream.uncoveredSince = null;
    }
    findSilence() {
        const houses = [...this.terms.houseGateways, `${this.trust.origin}/house`];
        for (const stream of [...this.streams.values()].sort((one, other) => one.id - other.id)) {
            const since = stream.owesHeadSince(stream.gateway !== null && houses.includes(stream.gateway.name));
            if (since === null || this.uptime - since <= this.terms.heartbeatAllowance)
                continue;
            const seconds = Math.floor((this.uptime - since) / 1000);
            this.found.add("silent-stream", { stream: BigInt(stream.id) }, `the log grew for ${seconds} seconds without a head of the stream`);
        }
    }
}
