// One stream as far as it was read: what its next entry must be.

import { equalBytes } from "../bytes.js";
import type { CosignedCheckpoint } from "../checkpoint.js";
import type { VerifyingKey } from "../key.js";
import type { TreeHead } from "../merkle.js";
import type { FindingKind } from "../kinds.js";
import { PRUNED, type Cause, type Found } from "./found.js";
import { StreamTree } from "./stream_tree.js";

/** A key that was withdrawn: by which entry, and from when on. */
export interface Withdrawn { readonly index: number; readonly effective: number }

/** A stream. */
export class Stream {
  gateway: VerifyingKey | null = null;
  key: VerifyingKey | null = null;
  /** The tree of its statements; meaningless once the stream is broken. */
  readonly tree = new StreamTree();
  /** The sequence number that follows. */
  next = 0;
  statements = 0;
  /** The entry of its newest statement. */
  lastStatement = 0;
  head: { readonly index: number; readonly head: TreeHead; readonly timestamp: bigint } | null = null;
  heads = 0;
  /** The log's time while it was up when the first statement came that no head covers. */
  uncoveredSince: number | null = null;
  closed: number | null = null;
  /** The opening of its successor. */
  succeeded: number | null = null;
  withdrawn: Withdrawn | null = null;
  /** What made its statements incomparable with what its gateway signed. */
  broken: Cause | null = null;
  losses = 0;

  /** `aliveAt`: the log's time while it was up when the stream was opened, or its newest head written. */
  constructor(readonly id: number, public aliveAt: number, private readonly found: Found) {}

  #add(kind: FindingKind, index: number, words: string): Cause {
    return this.found.add(kind, { stream: BigInt(this.id), entry: BigInt(index) }, words);
  }

  /** SPEC: nothing of a stream follows its closing, and no statement the opening of its successor. */
  checkOpen(index: number): void {
    const ended = this.closed ?? this.succeeded;
    if (ended === null) return;
    this.#add("entry-after-close", index, `stream ${this.id} ended at entry ${ended}`);
  }

  /** SPEC: a withdrawn key is not trusted from the time its revocation names, nor before the log had that. */
  checkNotWithdrawn(index: number, now: number, what: string): boolean {
    if (this.withdrawn === null || this.withdrawn.effective > now) return true;
    this.#add("revoked-key-used", index,
      `${what} of stream ${this.id}, whose gateway's key was revoked at entry ${this.withdrawn.index}`);
    return false;
  }

  /**
   * Something does not follow from the entries of the stream that were read. If others may have been given up since the last of these, that is why, and nothing is
   * known of it.
   */
  notePruned(prunedUntil: number): void {
    const last = Math.max(this.id, this.lastStatement, this.head?.index ?? 0);
    if (last >= prunedUntil || this.broken !== null) return;
    this.broken = PRUNED;
  }

  /** Whether it is broken because the log gave up some of its statements, which is no fault of the stream. */
  get isPruned(): boolean {
    return this.broken === PRUNED;
  }

  /** SPEC: sequence numbers follow one another. */
  checkSequence(index: number, sequence: number): void {
    if (sequence === this.next) return;
    if (this.broken !== null) return this.found.follows(this.broken);
    this.broken = this.#add("stream-gap", index,
      `stream ${this.id} has sequence number ${sequence} where ${this.next} follows`);
  }

  /** SPEC: after a successor was opened, or the gateway's key withdrawn, the log takes no heartbeat and no closing. */
  checkNotEnded(index: number, now: number, what: string): void {
    this.checkNotWithdrawn(index, now, what);
    if (this.succeeded === null) return;
    this.#add("entry-after-close", index,
      `${what} of stream ${this.id}, which was succeeded at entry ${this.succeeded}`);
  }

  /** SPEC: no head is signed before the one before it, and one that covers nothing new is signed after it. */
  checkHeadTime(index: number, { head, timestamp }: CosignedCheckpoint): void {
    const last = this.head;
    if (last === null) return;
    if (timestamp > last.timestamp || (timestamp === last.timestamp && head.size > last.head.size)) return;
    this.#add("time-going-back", index, "a head that is older than the one before it was written again");
  }

  /** SPEC: a head in the log is the head of the stream's statements before it. True if it is. */
  checkHead(index: number, head: TreeHead): boolean {
    const last = this.head?.head;
    if (last !== undefined && last.size === head.size && !equalBytes(last.root, head.root)) {
      const cause = this.#add("stream-fork", index, `two heads of size ${head.size} have different roots`);
      this.broken ??= cause;
      return false;
    }
    if (this.broken !== null) {
      if (head.size !== BigInt(this.next)) this.found.follows(this.broken);
      return false;
    }
    if (head.size === this.tree.size && equalBytes(head.root, this.tree.root())) return true;
    this.broken = this.#add("head-without-entries", index,
      `the gateway signed ${head.size} statements, the log has ${this.tree.size}, or other ones`);
    return false;
  }

  /** The log's time while it was up from which on a head is due; null if none is. */
  owesHeadSince(isHouse: boolean): number | null {
    const isOver = this.closed !== null || this.succeeded !== null || this.withdrawn !== null;
    if (isOver || this.broken !== null || this.gateway === null) return null;
    // The log itself holds the key of a house stream, so that has no heartbeat; its statements are covered all the same.
    return isHouse ? this.uncoveredSince : this.aliveAt;
  }
}
