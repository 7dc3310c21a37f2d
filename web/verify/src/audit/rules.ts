// The rules that the entries of a log keep, checked entry by entry. Nothing is kept for an entry: only what a later one can
// contradict, which is a little for each stream and each gateway.

import { readUint } from "../bytes.js";
import { openCosigned, type CosignedCheckpoint } from "../checkpoint.js";
import { openEnrolment, openGenesis, openPruning, openQuota, openRevocation, openStreamOpening, type StreamOpening } from "../control.js";
import { decodeEntry, isEvidence, isStatementByte, streamLeafHash, streamOrigin, type Entry, type HeadEntry } from "../entry.js";
import { orNull, refusalIn, UnsignedNote, VerifyError } from "../errors.js";
import { KeyChangeError, Operators, WitnessKeys } from "../operators.js";
import { openContinuation, openRetirement, type Retirement, type RetirementProof } from "../succession.js";
import { sameKey, type VerifyingKey } from "../key.js";
import { TILE_WIDTH } from "../tile.js";
import type { Trust } from "../trust.js";
import { STATEMENT_BYTES } from "./batch.js";
import type { Cause, Found } from "./found.js";
import { Registry } from "./registry.js";
import { Stream, type Withdrawn } from "./stream.js";

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
  readonly #witnessKeys = new WitnessKeys();
  #last = 0;
  #lastIndex = 0;
  /** The log's time while it was up: each step between entries counts, but none for more than a head interval. */
  #uptime = 0;
  statements = 0;
  readonly streams = new Map<number, Stream>();
  readonly #byKey = new Map<string, number>();
  readonly registry: Registry;
  /** The end of the log: its entry, and who continues it. */
  retired: { readonly index: number; readonly retirement: Retirement } | null = null;
  /** The log that this one continues. */
  continues: RetirementProof | null = null;
  /** The finding that something follows the end. */
  #beyondEnd: Cause | null = null;
  /** Set when entries could not be read: what later ones seem to lack may have been in those. */
  #lost: Cause | null = null;
  /** Entries before this index were given up, some of them at least; 0 if none was. */
  #prunedUntil = 0;

  constructor(private readonly trust: Trust, private readonly terms: Terms, private readonly found: Found) {
    this.registry = new Registry(found, (key, withdrawn) => this.#withdraw(key, withdrawn));
  }

  #withdraw(key: VerifyingKey, withdrawn: Withdrawn): void {
    for (const stream of this.streams.values()) {
      if (stream.gateway !== null && sameKey(stream.gateway, key)) stream.withdrawn = withdrawn;
    }
  }

  /** Entries could not be read. From here on, gaps in streams cannot be told from unread entries. */
  lose(cause: Cause): void {
    this.#lost ??= cause;
    for (const stream of this.streams.values()) stream.broken ??= cause;
  }

  /** Entries before `end` were given up. What a stream seems to lack may have been among them. */
  passPruned(end: number): void {
    this.#prunedUntil = end;
  }

  /**
   * Takes up the entry that is the part [from, to) of the bytes, if it is a sound statement: nearly all are, and no object is made of one. False, with nothing
   * done, if it is not. `leaves` has the hashes that the statements of its bundle have in their streams' trees, eight words each, where they were computed before.
   */
  takeStatement(index: number, bytes: Uint8Array, from: number, to: number, leaves: Int32Array | null): boolean {
    if (index === 0 || to - from !== STATEMENT_BYTES || !isStatementByte(bytes[from]!) || !isEvidence(readUint(bytes, from + 18, 4))) return false;
    this.#time(index, readUint(bytes, from + 1, 6));
    this.#checkNotRetired(index);
    this.#statement(index, bytes, from, leaves);
    return true;
  }

  /** Takes up the entry at `index`. A promise only for control entries, whose signatures are verified. */
  entry(index: number, bytes: Uint8Array): Promise<void> | void {
    let entry;
    try {
      entry = decodeEntry(bytes);
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      const cause = this.found.addAt(index === 0 ? "bad-genesis" : "undecodable-entry", index, error.message);
      // It may have belonged to any stream.
      return this.lose(cause);
    }
    this.#time(index, entry.loggedAt);
    this.#checkNotRetired(index);
    if (entry.isStatement) this.#statement(index, bytes, 0, null);
    const done = entry.isStatement ? undefined : this.#control(index, entry);
    if (index > 0 || entry.kind === "genesis") return done;
    const withoutGenesis = (): void => {
      this.lose(this.found.addAt("bad-genesis", 0, "the first entry is not a genesis entry"));
    };
    return done === undefined ? withoutGenesis() : done.then(withoutGenesis);
  }

  /** SPEC: a log ends with its retirement. */
  #checkNotRetired(index: number): void {
    if (this.retired === null) return;
    if (this.#beyondEnd !== null) return this.found.follows(this.#beyondEnd);
    const words = `the log ended at entry ${this.retired.index}`;
    this.#beyondEnd = this.found.addAt("entry-after-retirement", index, words);
  }

  /** SPEC: the log's key and the successor's sign the retirement. */
  async #logRetired(index: number, note: string): Promise<void> {
    const retirement = await orNull(openRetirement(note, this.trust.crypto));
    if (retirement === null || !sameKey(retirement.log, this.trust.log)) {
      this.found.addAt("bad-succession", index, "the retirement of the log is rejected");
    } else {
      // The first one ended the log; another is an entry too many, as any other entry would be.
      this.retired ??= { index, retirement };
    }
  }

  /** SPEC: a log names its predecessor in entry 1, with the proof that it ended and named this log as its successor. */
  async #logContinued(index: number, note: string): Promise<void> {
    const proof = index === 1 ? await orNull(openContinuation(note, this.trust.log, this.trust.crypto)) : null;
    if (proof !== null) this.continues = proof;
    else this.found.addAt("bad-succession", index, "the predecessor is not proven, or not named in entry 1");
  }

  /** SPEC: a pruning is signed by the log, and its minimum index lies before it. */
  async #logPruned(index: number, note: string): Promise<void> {
    const { origin, log, crypto } = this.trust;
    const pruning = await orNull(openPruning(note, origin, log, crypto));
    if (pruning !== null && pruning.minimum <= BigInt(index)) return;
    this.found.addAt("undecodable-entry", index, "the announcement of a minimum index is not signed by the log, or the index lies behind it");
  }

  /** SPEC: logged_at never decreases along the log. */
  #time(index: number, now: number): void {
    if (now < this.#last) {
      this.found.addAt("time-going-back", index,
        `the entry is of ${now} ms, entry ${this.#lastIndex} of ${this.#last} ms`);
    } else if (index > 0) {
      this.#uptime += Math.min(now - this.#last, this.terms.headInterval);
    }
    // Also when it went back: one jump is one finding, whatever follows.
    this.#last = now;
    this.#lastIndex = index;
  }

  /** SPEC: a statement belongs to a stream that is open, and its sequence number follows the one before. */
  #statement(index: number, bytes: Uint8Array, from: number, leaves: Int32Array | null): void {
    this.statements++;
    const id = readUint(bytes, from + 7, 5);
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#unknownStream(index, id);
    stream.checkOpen(index);
    stream.checkNotWithdrawn(index, this.#last, "a statement");
    const sequence = readUint(bytes, from + 12, 6);
    if (sequence !== stream.next) stream.notePruned(this.#prunedUntil);
    stream.checkSequence(index, sequence);
    if (stream.broken === null) {
      if (leaves === null) stream.tree.push(streamLeafHash(bytes.subarray(from, from + STATEMENT_BYTES)));
      else stream.tree.pushWords(leaves, (index % TILE_WIDTH) * 8);
    }
    stream.next = sequence + 1;
    stream.lastStatement = index;
    stream.statements++;
    stream.uncoveredSince ??= this.#uptime;
    if (bytes[from] === 0x08) stream.losses++;
  }

  #unknownStream(index: number, id: number): void {
    if (this.#lost !== null) return this.found.follows(this.#lost);
    this.found.addIn("unknown-stream", id, index, `stream ${id} was never opened`);
  }

  async #control(index: number, entry: Entry): Promise<void> {
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
        if (enrolment !== null) this.registry.enrol(index, entry.loggedAt, enrolment, this.#lost !== null);
        return;
      }
      case "gateway-revoked": {
        const revocation = await this.#byOperator(index, "revocation", (key) => openRevocation(entry.note, origin, key, crypto));
        if (revocation !== null) this.registry.revoke(index, revocation, this.#lost !== null);
        return;
      }
      case "operator-changed": return this.#operatorChanged(index, entry.note);
      case "witness-rotated": return this.#witnessRotated(index, entry.note);
      case "log-retired": return this.#logRetired(index, entry.note);
      case "log-continued": return this.#logContinued(index, entry.note);
      case "log-pruned": return this.#logPruned(index, entry.note);
      case "quota-set": {
        const quota = await this.#byOperator(index, "quota", (key) => openQuota(entry.note, origin, key, crypto));
        if (quota !== null) this.registry.setQuota(index, quota);
      }
    }
  }

  /** What the note of an entry holds, opened with the operator's key in force. */
  async #byOperator<T>(index: number, what: string, open: (key: VerifyingKey) => Promise<T>): Promise<T | null> {
    if (this.operators === null) return null;
    const opened = await this.operators.signed(open);
    if ("value" in opened) return opened.value;
    const { fault, isRetired } = opened;
    // The change to another key may be among what could not be read.
    if (isRetired) this.found.addAt("retired-operator-key", index, `the ${what} is signed by a key of the operator that was replaced`);
    else if (this.#lost !== null && fault instanceof UnsignedNote) this.found.follows(this.#lost);
    else this.registry.bad(index, `the ${what} is rejected: ${fault.message}`);
    return null;
  }

  /** SPEC: the key in force signs the change to another, or the recovery key that it named does; no key is in force twice. */
  async #operatorChanged(index: number, note: string): Promise<void> {
    if (this.operators === null) return;
    try {
      await this.operators.take(BigInt(index), note, this.trust.origin, this.trust.crypto);
    } catch (error) {
      const fault = refusalIn(error);
      // Another change may be among what could not be read.
      const mayFollow = fault instanceof UnsignedNote || (fault instanceof KeyChangeError && fault.why !== "used-before");
      if (this.#lost !== null && mayFollow) return this.found.follows(this.#lost);
      this.found.addAt("bad-operator-change", index, `the change of the operator's key is rejected: ${fault.message}`);
    }
  }

  /** SPEC: both keys sign a rotation; each key is rotated once, and none comes back. */
  async #witnessRotated(index: number, note: string): Promise<void> {
    if ((await orNull(this.#witnessKeys.take(note, this.trust.crypto))) !== null) return;
    this.found.addAt("bad-witness-rotation", index, "the rotation of a witness's key is rejected");
  }

  /** SPEC: index 0, and only it, is a genesis entry; it names the origin and is signed by the log. */
  async #genesis(index: number, note: string): Promise<void> {
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
    // The operator is unknown, so no enrolment can be verified.
    if (index === 0) this.lose(cause);
  }

  #opened(index: number, opening: StreamOpening | null): void {
    // No statement can name a stream past 2^40.
    if (index >= 2 ** 40) return;
    const stream = new Stream(index, this.#uptime, this.found);
    const bad = (words: string): Cause => this.found.addIn("bad-opening", index, index, words);
    if (opening === null) {
      stream.broken = bad("the opening is rejected");
      this.streams.set(index, stream);
      return;
    }
    this.#checkGateway(index, opening, stream);
    // SPEC: each stream has a fresh key, so that a head names one stream.
    const other = this.#byKey.get(opening.stream.vkey);
    if (other !== undefined) bad(`its key already opened stream ${other}`);
    else this.#byKey.set(opening.stream.vkey, index);
    if (opening.previous !== null) this.#succeed(index, opening, opening.previous);
    stream.gateway = opening.gateway;
    stream.key = opening.stream;
    this.streams.set(index, stream);
  }

  /** SPEC: a stream is opened by a key that is enrolled and neither withdrawn nor replaced at that point of the log. */
  #checkGateway(index: number, { gateway: key }: StreamOpening, stream: Stream): void {
    const gateway = this.registry.get(key);
    if (gateway === undefined) {
      if (this.#lost !== null) return this.found.follows(this.#lost);
      this.found.addIn("unknown-gateway", index, index, `the key of ${key.name} is not enrolled`);
      return;
    }
    stream.withdrawn = gateway.withdrawn;
    const isValid = stream.checkNotWithdrawn(index, this.#last, "the opening");
    if (gateway.replaced !== null && isValid) {
      this.found.addIn("revoked-key-used", index, index,
        `entry ${gateway.replaced} replaced the key of ${key.name}`);
    }
  }

  /** SPEC: a restart names the stream it continues and where that stopped; it is the same gateway's, and has no other successor. */
  #succeed(index: number, opening: StreamOpening, previous: { stream: number; size: number }): void {
    const bad = (words: string): void => {
      this.found.addIn("bad-restart", index, index, `it continues stream ${previous.stream}, which ${words}`);
    };
    const before = this.streams.get(previous.stream);
    if (before === undefined) {
      if (this.#lost !== null) return this.found.follows(this.#lost);
      return bad("was never opened");
    }
    if (before.gateway !== null && before.gateway.name !== opening.gateway.name) {
      return bad(`belongs to ${before.gateway.name}`);
    }
    if (before.succeeded !== null) return bad(`entry ${before.succeeded} already continues`);
    before.succeeded = index;
    if (previous.size === before.next) return;
    before.notePruned(this.#prunedUntil);
    if (before.broken !== null) return this.found.follows(before.broken);
    bad(`stopped at ${before.next}, not at ${previous.size}`);
  }

  async #head(index: number, entry: HeadEntry): Promise<void> {
    const stream = this.streams.get(entry.stream);
    if (stream === undefined) return this.#unknownStream(index, entry.stream);
    stream.heads++;
    if (stream.closed !== null) return stream.checkOpen(index);
    const closes = entry.kind === "stream-closed";
    if (closes) stream.closed = index;
    if (stream.key === null) return;
    // SPEC: a head is signed by the stream's own key, with origin `<log origin>/stream/<index>`.
    const origin = streamOrigin(this.trust.origin, stream.id);
    const head = await orNull(openCosigned(entry.note, origin, stream.key, this.trust.crypto));
    if (head === null) {
      this.found.addIn("forged-head", stream.id, index, "the head is not signed by the stream's key");
      return;
    }
    this.#takeHead(index, stream, head, closes);
  }

  #takeHead(index: number, stream: Stream, signed: CosignedCheckpoint, closes: boolean): void {
    const covered = stream.head?.head.size ?? 0n;
    // SPEC: after its end the log still writes the head of statements it took before.
    if (closes) stream.checkNotEnded(index, this.#last, "the closing");
    else if (signed.head.size <= covered) stream.checkNotEnded(index, this.#last, "a heartbeat");
    stream.checkHeadTime(index, signed);
    if (signed.head.size !== BigInt(stream.next)) stream.notePruned(this.#prunedUntil);
    if (stream.checkHead(index, signed.head)) {
      stream.head = { index, head: signed.head, timestamp: signed.timestamp };
    }
    stream.aliveAt = this.#uptime;
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
      if (since === null || this.#uptime - since <= this.terms.heartbeatAllowance) continue;
      const seconds = Math.floor((this.#uptime - since) / 1000);
      this.found.add("silent-stream", { stream: BigInt(stream.id) }, `the log grew for ${seconds} seconds without a head of the stream`);
    }
  }
}
