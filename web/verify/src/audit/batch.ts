// The hashes of an audit, many at a time: in the vectors of a WebAssembly module where one was opened, else one after the other.

import type { Hash } from "../merkle.js";
import { sha256Into } from "../sha256.js";
import { FREE_AT, type Lanes } from "../lanes.js";
import { streamLeafHash } from "../entry.js";
import { FRAME_BYTES, TILE_WIDTH, type Frames } from "../tile.js";

/** Bytes of a full tile. */
export const TILE_BYTES = TILE_WIDTH * 32;

/** Longest bundle that is hashed in vectors. One of statements has 14 kB. */
const MAX_BUNDLE_BYTES = 256 * 1024;
/** A group of four reads up to a block beyond what it hashes. */
const SLACK = 256;

// The parts of the memory, one after the other.
const FOLD_AT = FREE_AT;
const LEAVES_AT = FOLD_AT + TILE_BYTES + SLACK;
const STREAM_LEAVES_AT = LEAVES_AT + TILE_BYTES + SLACK;
const BUNDLE_AT = STREAM_LEAVES_AT + TILE_BYTES + SLACK;
export const END = BUNDLE_AT + MAX_BUNDLE_BYTES + SLACK;

/** Bytes of a statement entry. */
export const STATEMENT_BYTES = 54;

/** Hashes bundles and tiles. Its memory is written anew by each call: what a call returns holds until the next one, unless it is a copy. */
export class Batch {
  private readonly memory: Uint8Array;

  constructor(private readonly lanes: Lanes | null) {
    this.memory = lanes?.memory ?? new Uint8Array(END);
  }

  /** The leaf hashes of the entries of a bundle, side by side. */
  leaves(bundle: Uint8Array, frames: Frames): Uint8Array {
    const { memory, lanes } = this;
    const { bounds, count } = frames;
    const isBatched = lanes !== null && bundle.length <= MAX_BUNDLE_BYTES;
    if (isBatched) {
      memory.set(bundle, BUNDLE_AT);
      inGroups(frames, LEAVES_AT, lanes.leaves);
    }
    for (let at = 0; at < count; at++) {
      const [from, to] = [bounds[at]! + FRAME_BYTES, bounds[at + 1]!];
      if (!isBatched || to - from !== STATEMENT_BYTES) sha256Into(memory, LEAVES_AT + at * 32, 0x00, bundle, from, to);
    }
    return memory.subarray(LEAVES_AT, LEAVES_AT + count * 32);
  }

  /** The hashes that the entries of the bundle that was hashed last have in their streams' trees; meaningless for those that are no statements. */
  streamLeaves(bundle: Uint8Array, frames: Frames): Uint8Array {
    const { memory, lanes } = this;
    const { bounds, count } = frames;
    if (lanes !== null && bundle.length <= MAX_BUNDLE_BYTES) inGroups(frames, STREAM_LEAVES_AT, lanes.streamLeaves);
    else {
      for (let at = 0; at < count; at++) {
        const entry = bundle.subarray(bounds[at]! + FRAME_BYTES, bounds[at + 1]);
        if (entry.length === STATEMENT_BYTES) memory.set(streamLeafHash(entry), STREAM_LEAVES_AT + at * 32);
      }
    }
    return memory.subarray(STREAM_LEAVES_AT, STREAM_LEAVES_AT + count * 32);
  }

  /** The root over so many hashes that lie side by side from `from` on, a power of two of them; a copy. */
  root(hashes: Uint8Array, from: number, count: number): Hash {
    this.memory.set(hashes.subarray(from * 32, (from + count) * 32), FOLD_AT);
    for (let width = count; width > 1; width >>= 1) this.fold(FOLD_AT, FOLD_AT, width >> 1);
    return this.memory.slice(FOLD_AT, FOLD_AT + 32) as Hash;
  }

  /**
   * Adds leaf hashes to a tree, of which `roots` holds the roots of the perfect subtrees, the largest first, and `size` the number of leaves: one
   * subtree for each bit. At most 255 leaves. Writes the new roots, and returns how many there are.
   */
  append(roots: Uint8Array, size: number, leaves: Uint8Array, count: number): number {
    const { memory } = this;
    let held = bitsOf(size);
    const rest: Uint8Array[] = [];
    // The first place is left for the subtree that the first of a level completes.
    const first = FOLD_AT + 32;
    memory.set(leaves.subarray(0, count * 32), first);
    for (let nodes = count, below = size; nodes > 0; below = Math.floor(below / 2)) {
      let from = first;
      if (below % 2 === 1) {
        held--;
        memory.set(roots.subarray(held * 32, held * 32 + 32), FOLD_AT);
        from = FOLD_AT;
        nodes++;
      }
      if (nodes % 2 === 1) rest.push(memory.slice(from + (nodes - 1) * 32, from + nodes * 32));
      nodes >>= 1;
      this.fold(from, first, nodes);
    }
    for (const root of rest.reverse()) roots.set(root, held++ * 32);
    return held;
  }

  /** The node hashes of so many pairs, written side by side: over what was read, but never over what is still to be read. */
  private fold(from: number, to: number, pairs: number): void {
    const { memory, lanes } = this;
    if (lanes !== null) for (let at = 0; at < pairs; at += 4) lanes.pairs(from + at * 64, to + at * 32);
    else for (let at = 0; at < pairs; at++) sha256Into(memory, to + at * 32, 0x01, memory, from + at * 64, from + at * 64 + 64);
  }
}

/** The statements of the bundle in memory, four at a time; the last group is filled up with its last entry, whose hash is written more than once. */
function inGroups({ bounds, count }: Frames, out: number, hash: Lanes["leaves"]): void {
  let held = 0;
  let [a, b, c, d] = [0, 0, 0, 0];
  const frame = (at: number): number => BUNDLE_AT + bounds[at]!;
  for (let at = 0; at < count; at++) {
    if (bounds[at + 1]! - bounds[at]! !== FRAME_BYTES + STATEMENT_BYTES) continue;
    if (held === 0) a = b = c = d = at;
    else if (held === 1) b = c = d = at;
    else if (held === 2) c = d = at;
    else d = at;
    if (++held < 4) continue;
    held = 0;
    hash(frame(a), frame(b), frame(c), frame(d), out + a * 32, out + b * 32, out + c * 32, out + d * 32);
  }
  if (held > 0) hash(frame(a), frame(b), frame(c), frame(d), out + a * 32, out + b * 32, out + c * 32, out + d * 32);
}

/** How many bits of a size are set. */
function bitsOf(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

let shared = new Batch(null);

/** The one that the audits of this thread share. */
export const batch = (): Batch => shared;

/** The audits of this thread share this one from now on. */
export function share(batch: Batch): void {
  shared = batch;
}
