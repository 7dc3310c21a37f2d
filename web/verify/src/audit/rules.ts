// The rules that the entries of a log keep, checked entry by entry. Nothing is kept for an entry: only what a later one can
// contradict, which is a little for each stream and each gateway.

import { readUint } from "../bytes.js";
import { openCosigned, type CosignedCheckpoint } from "../checkpoint.js";
import { openEnrolment, openGenesis, openQuota, openRevocation, openStreamOpening, type StreamOpening } from "../control.js";
import { decodeEntry, isEvidence, isStatementByte, streamLeafHash, streamOrigin, type Entry, type HeadEntry } from "../entry.js";
import { orNull, UnsignedNote, VerifyError } from "../errors.js";
import { KeyChangeError, Operators, WitnessKeys } from "../operators.js";
import { openContinuation, openRetirement, type Retirement, type RetirementProof } from "../succession.js";
import { sameKey, type VerifyingKey } from "../key.js";
import type { Trust } from "../trust.js";
import type { Cause, Found } from "./found.js";
import { Registry } from "./registry.js";
import { placeOf, Stream, type Withdrawn } from "./stream.js";

/** What the rules are applied with. */
export interface Terms {
  /** Milliseconds in which a log writes the heads of its active streams. */
  readonly headInterval: number;
  /** Milliseconds an open stream may go without a head, by the log's own time while it was up. */
  readonly heartbeatAllowance: number;
  /** Names of gateways whose streams have no heartbeat, besides `<origin>/house`. */
  readonly houseGateways: readonly string[];
}

/** Everything that the entries read so far say. */
export class Rules {
  operators: Operators | null = null;
  private readonly witnessKeys = new WitnessKeys();
  private last = 0;
  private lastIndex = 0;
  /** The log's time while it was up: each step between entries counts, but none for more than a head interval. */
  private uptime = 0;
  statements = 0;
  readonly streams = new Map<number, Stream>();
  private readonly byKey = new Map<string, number>();
  readonly registry: Registry;
  /** The end of the log: its entry, and who continues it. */
  retired: { readonly index: number; readonly retirement: Retirement } | null = null;
  /** The log that this one continues. */
  continues: RetirementProof | null = null;
  /** The finding that something follows the end. */
  private beyondEnd: Cause | null = null;
  /** Set when entries could not be read: what later ones seem to lack may have been in those. */
  private lost: Cause | null = null;

  constructor(private readonly trust: Trust, private readonly terms: Terms, private readonly found: Found) {
    this.registry = new Registry(found, (key, withdrawn) => this.withdraw(key, withdrawn));
  }

  private withdraw(key: VerifyingKey, withdrawn: Withdrawn): void {
    for (const stream of this.streams.values()) {
      if (stream.gateway !== null && sameKey(stream.gateway, key)) stream.withdrawn = withdrawn;
    }
  }

  /** Entries could not be read. From here on, gaps in streams cannot be told from unread entries. */
  lose(cause: Cause): void {
    this.lost ??= cause;
    for (const stream of this.streams.values()) stream.broken ??= cause;
  }

  /** Takes up the entry at `index`. A promise only for control entries, whose signatures are verified. */
  entry(index: number, bytes: Uint8Array): Promise<void> | void {
    // Nearly all entries are statements: they are read without making an object of each.
    const isSound = bytes.length === 54 && isStatementByte(bytes[0]!) && isEvidence(readUint(bytes, 18, 4));
    if (index > 0 && isSound) {
      this.time(index, readUint(bytes, 1, 6));
      this.checkNotRetired(index);
      return this.statement(index, bytes);
    }
    let entry;
    try {
      entry = decodeEntry(bytes);
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      const cause = this.found.add(index === 0 ? "bad-genesis" : "undecodable-entry", { entry: BigInt(index) }, error.message);
      // It may have belonged to any stream.
      return this.lose(cause);
    }
    this.time(index, entry.loggedAt);
    this.checkNotRetired(index);
    if (entry.isStatement) this.statement(index, bytes);
    const done = entry.isStatement ? undefined : this.control(index, entry);
    if (index > 0 || entry.kind === "genesis") return done;
    const withoutGenesis = (): void => {
      this.lose(this.found.add("bad-genesis", { entry: 0n }, "the first entry is not a genesis entry"));
    };
    return done === undefined ? withoutGenesis() : done.then(withoutGenesis);
  }

  /** SPEC: a log ends with its retirement. */
  private checkNotRetired(index: number): void {
    if (this.retired === null) return;
    if (this.beyondEnd !== null) return this.found.follows(this.beyondEnd);
    const words = `the entry follows the retirement of the log, entry ${this.retired.index}`;
    this.beyondEnd = this.found.add("entry-after-retirement", { entry: BigInt(index) }, words);
  }

  /** SPEC: the log's key and the successor's sign the retirement. */
  private async logRetired(index: number, note: string): Promise<void> {
    const retirement = await orNull(openRetirement(note, this.trust.crypto));
    if (retirement === null || !sameKey(retirement.log, this.trust.log)) {
      this.found.add("bad-succession", { entry: BigInt(index) }, "the retirement of the log is rejected");
    } else {
      // The first one ended the log; another is an entry too many, as any other entry would be.
      this.retired ??= { index, retirement };
    }
  }

  /** SPEC: a log names its predecessor in entry 1, with the proof that it ended and named this log as its successor. */
  private async logContinued(index: number, note: string): Promise<void> {
    const proof = index === 1 ? await orNull(openContinuation(note, this.trust.log, this.trust.crypto)) : null;
    if (proof !== null) this.continues = proof;
    else this.found.add("bad-succession", { entry: BigInt(index) }, "the predecessor is not proven, or not named in entry 1");
  }

  /** SPEC: logged_at never decreases along the log. */
  private time(index: number, now: number): void {
    if (now < this.last) {
      this.found.add("time-going-back", { entry: BigInt(index) },
        `the entry is dated ${now} ms, the earlier entry ${this.lastIndex} ${this.last} ms`);
    } else if (index > 0) {
      this.uptime += Math.min(now - this.last, this.terms.headInterval);
    }
    // Also when it went back: one jump is one finding, whatever follows.
    this.last = now;
    this.lastIndex = index;
  }

  /** SPEC: a statement belongs to a stream that is open, and its sequence number follows the one before. */
  private statement(index: number, bytes: Uint8Array): void {
    this.statements++;
    const id = readUint(bytes, 7, 5);
    const stream = this.streams.get(id);
    if (stream === undefined) return this.unknownStream(index, id);
    stream.checkOpen(index, this.found);
    stream.checkNotWithdrawn(index, this.last, "a statement", this.found);
    const sequence = readUint(bytes, 12, 6);
    stream.checkSequence(index, sequence, this.found);
    if (stream.broken === null) stream.range.push(streamLeafHash(bytes));
    stream.next = sequence + 1;
    stream.statements++;
    stream.lastStatement = index;
    stream.uncoveredSince ??= this.uptime;
    if (bytes[0] === 0x08) stream.losses++;
  }

  private unknownStream(index: number, id: number): void {
    if (this.lost !== null) return this.found.follows(this.lost);
    this.found.add("unknown-stream", placeOf(id, index), `stream ${id} was never opened`);
  }

  private async control(index: number, entry: Entry): Promise<void> {
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
        if (enrolment !== null) this.registry.enrol(index, entry.loggedAt, enrolment, this.lost !== null);
        return;
      }
      case "gateway-revoked": {
        const revocation = await this.byOperator(index, "revocation", (key) => openRevocation(entry.note, origin, key, crypto));
        if (revocation !== null) this.registry.revoke(index, revocation, this.lost !== null);
        return;
      }
      case "operator-changed": return this.operatorChanged(index, entry.note);
      case "witness-rotated": return this.witnessRotated(index, entry.note);
      case "log-retired": return this.logRetired(index, entry.note);
      case "log-continued": return this.logContinued(index, entry.note);
      case "quota-set": {
        const quota = await this.byOperator(index, "quota", (key) => openQuota(entry.note, origin, key, crypto));
        if (quota !== null) this.registry.setQuota(index, quota);
      }
    }
  }

  /** What the note of an entry holds, opened with the operator's key in force. SPEC: a key that was replaced signs nothing more. */
  private async byOperator<T>(index: number, what: string, open: (key: VerifyingKey) => Promise<T>): Promise<T | null> {
    const { operators } = this;
    if (operators === null) return null;
    let fault: VerifyError;
    try {
      return await open(operators.key);
    } catch (error) {
      if (!(error instanceof VerifyError) || error.reason === "unsupported") throw error;
      fault = error;
    }
    for (const key of operators.keys.slice(0, -1)) {
      if ((await orNull(open(key))) === null) continue;
      this.found.add("retired-operator-key", { entry: BigInt(index) }, `the ${what} is signed by a key of the operator that was replaced`);
      return null;
    }
    // The change to another key may be among what could not be read.
    if (this.lost !== null && fault instanceof UnsignedNote) this.found.follows(this.lost);
    else this.registry.bad(index, `the ${what} is rejected: ${fault.message}`);
    return null;
  }

  /** SPEC: the key in force signs the change to another, or the recovery key that it named does; no key is in force twice. */
  private async operatorChanged(index: number, note: string): Promise<void> {
    if (this.operators === null) return;
    try {
      await this.operators.take(BigInt(index), note, this.trust.origin, this.trust.crypto);
    } catch (error) {
      if (!(error instanceof VerifyError) || error.reason === "unsupported") throw error;
      // Another change may be among what could not be read.
      const mayFollow = error instanceof UnsignedNote || (error instanceof KeyChangeError && error.why !== "used-before");
      if (this.lost !== null && mayFollow) return this.found.follows(this.lost);
      this.found.add("bad-operator-change", { entry: BigInt(index) }, `the change of the operator's key is rejected: ${error.message}`);
    }
  }

  /** SPEC: both keys sign a rotation; each key is rotated once, and none comes back. */
  private async witnessRotated(index: number, note: string): Promise<void> {
    if ((await orNull(this.witnessKeys.take(note, this.trust.crypto))) !== null) return;
    this.found.add("bad-witness-rotation", { entry: BigInt(index) }, "the rotation of a witness's key is rejected");
  }

  /** SPEC: index 0, and only it, is a genesis entry; it names the origin and is signed by the log. */
  private async genesis(index: number, note: string): Promise<void> {
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
    // The operator is unknown, so no enrolment can be verified.
    if (index === 0) this.lose(cause);
  }

  private opened(index: number, opening: StreamOpening | null): void {
    // No statement can name a stream past 2^40.
    if (index >= 2 ** 40) return;
    const stream = new Stream(index, this.uptime);
    const bad = (words: string): Cause => this.found.add("bad-opening", placeOf(index, index), words);
    if (opening === null) {
      stream.broken = bad("the opening is rejected");
      this.streams.set(index, stream);
      return;
    }
    this.checkGateway(index, opening, stream);
    // SPEC: each stream has a fresh key, so that a head names one stream.
    const other = this.byKey.get(opening.stream.vkey);
    if (other !== undefined) bad(`its key already opened stream ${other}`);
    else this.byKey.set(opening.stream.vkey, index);
    if (opening.previous !== null) this.succeed(index, opening, opening.previous);
    stream.gateway = opening.gateway;
    stream.key = opening.stream;
    this.streams.set(index, stream);
  }

  /** SPEC: a stream is opened by a key that is enrolled and neither withdrawn nor replaced at that point of the log. */
  private checkGateway(index: number, { gateway: key }: StreamOpening, stream: Stream): void {
    const gateway = this.registry.get(key);
    if (gateway === undefined) {
      if (this.lost !== null) return this.found.follows(this.lost);
      this.found.add("unknown-gateway", placeOf(index, index), `the key of ${key.name} is not enrolled`);
      return;
    }
    stream.withdrawn = gateway.withdrawn;
    const isValid = stream.checkNotWithdrawn(index, this.last, "the opening", this.found);
    if (gateway.replaced !== null && isValid) {
      this.found.add("revoked-key-used", placeOf(index, index),
        `the opening of stream ${index} is signed by a key of ${key.name} that entry ${gateway.replaced} replaced`);
    }
  }

  /** SPEC: a restart names the stream it continues and where that stopped; it is the same gateway's, and has no other successor. */
  private succeed(index: number, opening: StreamOpening, previous: { stream: number; size: number }): void {
    const bad = (words: string): void => { this.found.add("bad-restart", placeOf(index, index), words); };
    const before = this.streams.get(previous.stream);
    if (before === undefined) {
      if (this.lost !== null) return this.found.follows(this.lost);
      return bad(`it continues stream ${previous.stream}, which was never opened`);
    }
    if (before.gateway !== null && before.gateway.name !== opening.gateway.name) {
      return bad(`it continues stream ${before.id}, which belongs to ${before.gateway.name}`);
    }
    if (before.succeeded !== null) return bad(`it continues stream ${before.id}, which entry ${before.succeeded} already continues`);
    before.succeeded = index;
    if (previous.size === before.next) return;
    if (before.broken !== null) return this.found.follows(before.broken);
    bad(`it continues stream ${before.id} at size ${previous.size}, which stopped at ${before.next}`);
  }

  private async head(index: number, entry: HeadEntry): Promise<void> {
    const stream = this.streams.get(entry.stream);
    if (stream === undefined) return this.unknownStream(index, entry.stream);
    stream.heads++;
    if (stream.closed !== null) return stream.checkOpen(index, this.found);
    const closes = entry.kind === "stream-closed";
    if (closes) stream.closed = index;
    if (stream.key === null) return;
    // SPEC: a head is signed by the stream's own key, with origin `<log origin>/stream/<index>`.
    const origin = streamOrigin(this.trust.origin, stream.id);
    const head = await orNull(openCosigned(entry.note, origin, stream.key, this.trust.crypto));
    if (head === null) {
      this.found.add("forged-head", placeOf(stream.id, index), "the head is not signed by the stream's key");
      return;
    }
    this.takeHead(index, stream, head, closes);
  }

  private takeHead(index: number, stream: Stream, signed: CosignedCheckpoint, closes: boolean): void {
    const covered = stream.head?.head.size ?? 0n;
    // SPEC: after its end the log still writes the head of statements it took before.
    if (closes) stream.checkNotEnded(index, this.last, "the closing", this.found);
    else if (signed.head.size <= covered) stream.checkNotEnded(index, this.last, "a heartbeat", this.found);
    stream.checkHeadTime(index, signed, this.found);
    if (stream.checkHead(index, signed.head, this.found)) {
      stream.head = { index, head: signed.head, timestamp: signed.timestamp };
    }
    stream.aliveAt = this.uptime;
    stream.uncoveredSince = null;
  }

  /**
   * SPEC: an active stream has a head in the log at least every head interval, and an idle one its heartbeats. Time is the log's own,
   * while it was up: a log that was down for an hour owes its gateways the time to come back.
   */
  findSilence(): void {
    const houses = [...this.terms.houseGateways, `${this.trust.origin}/house`];
    for (const stream of [...this.streams.values()].sort((one, other) => one.id - other.id)) {
      const since = stream.owesHeadSince(stream.gateway !== null && houses.includes(stream.gateway.name));
      if (since === null || this.uptime - since <= this.terms.heartbeatAllowance) continue;
      const seconds = Math.floor((this.uptime - since) / 1000);
      this.found.add("silent-stream", { stream: BigInt(stream.id) }, `the log grew for ${seconds} seconds without a head of the stream`);
    }
  }
}
