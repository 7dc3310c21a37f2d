// One stream as far as it was read: what its next entry must be.

import { equalBytes } from "../bytes.js";
import type { CosignedCheckpoint } from "../checkpoint.js";
import type { VerifyingKey } from "../key.js";
import { CompactRange, type TreeHead } from "../merkle.js";
import type { Place } from "../kinds.js";
import type { Cause, Found } from "./found.js";

/** A key that was withdrawn: by which entry, and from when on. */
export interface Withdrawn { readonly index: number; readonly effective: number }

/** The place of an entry of a stream. */
export const placeOf = (stream: number, index: number): Place => ({ stream: BigInt(stream), entry: BigInt(index) });

/** A stream. */
export class Stream {
  gateway: VerifyingKey | null = null;
  key: VerifyingKey | null = null;
  /** The tree of its statements; meaningless once the stream is broken. */
  readonly range = CompactRange.empty();
  /** The sequence number that follows. */
  next = 0;
  statements = 0;
  lastStatement: number | null = null;
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
  constructor(readonly id: number, public aliveAt: number) {}

  /** SPEC: nothing of a stream follows its closing, and no statement the opening of its successor. */
  checkOpen(index: number, found: Found): void {
    const ended = this.closed ?? this.succeeded;
    if (ended === null) return;
    found.add("entry-after-close", placeOf(this.id, index), `stream ${this.id} ended at entry ${ended}`);
  }

  /** SPEC: a withdrawn key is not trusted from the time its revocation names, nor before the log had that. */
  checkNotWithdrawn(index: number, now: number, what: string, found: Found): boolean {
    if (this.withdrawn === null || this.withdrawn.effective > now) return true;
    found.add("revoked-key-used", placeOf(this.id, index),
      `${what} of stream ${this.id}, whose gateway's key was revoked at entry ${this.withdrawn.index}`);
    return false;
  }

  /** SPEC: sequence numbers follow one another. */
  checkSequence(index: number, sequence: number, found: Found): void {
    if (sequence === this.next) return;
    if (this.broken !== null) return found.follows(this.broken);
    this.broken = found.add("stream-gap", placeOf(this.id, index),
      `stream ${this.id} has sequence number ${sequence} where ${this.next} follows`);
  }

  /** SPEC: after a successor was opened, or the gateway's key withdrawn, the log takes no heartbeat and no closing. */
  checkNotEnded(index: number, now: number, what: string, found: Found): void {
    this.checkNotWithdrawn(index, now, what, found);
    if (this.succeeded === null) return;
    found.add("entry-after-close", placeOf(this.id, index),
      `${what} of stream ${this.id}, which was succeeded at entry ${this.succeeded}`);
  }

  /** SPEC: no head is signed before the one before it, and one that covers nothing new is signed after it. */
  checkHeadTime(index: number, { head, timestamp }: CosignedCheckpoint, found: Found): void {
    const last = this.head;
    if (last === null) return;
    if (timestamp > last.timestamp || (timestamp === last.timestamp && head.size > last.head.size)) return;
    found.add("time-going-back", placeOf(this.id, index), "a head that is older than the one before it was written again");
  }

  /** SPEC: a head in the log is the head of the stream's statements before it. True if it is. */
  checkHead(index: number, head: TreeHead, found: Found): boolean {
    const last = this.head?.head;
    if (last !== undefined && last.size === head.size && !equalBytes(last.root, head.root)) {
      const cause = found.add("stream-fork", placeOf(this.id, index), `two heads of size ${head.size} have different roots`);
      this.broken ??= cause;
      return false;
    }
    if (this.broken !== null) {
      if (head.size !== BigInt(this.next)) found.follows(this.broken);
      return false;
    }
    if (head.size === this.range.size && equalBytes(head.root, this.range.root())) return true;
    this.broken = found.add("head-without-entries", placeOf(this.id, index),
      `the gateway signed ${head.size} statements, the log has ${this.range.size}, or other ones`);
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
