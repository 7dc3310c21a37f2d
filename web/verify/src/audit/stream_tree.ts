// The tree of one stream's statements. Leaves wait until there are several: hashed together they take a fraction of the time.

import { rootOver, type Hash } from "../merkle.js";
import { batch } from "./batch.js";

/** Leaves that wait at most. */
const MAX_WAITING = 32;
/** Perfect subtrees at most: an index has 40 bits, so no stream has more statements. */
const MAX_ROOTS = 41;

export class StreamTree {
  readonly #roots = new Uint8Array(MAX_ROOTS * 32);
  #held = 0;
  #length = 0;
  readonly #leaves = new Uint8Array(MAX_WAITING * 32);
  readonly #words = new Int32Array(this.#leaves.buffer);
  #waiting = 0;

  /** Leaves so far. */
  get size(): bigint {
    return BigInt(this.#length + this.#waiting);
  }

  /** Adds a leaf hash. */
  push(leaf: Uint8Array): void {
    this.#leaves.set(leaf, this.#waiting++ * 32);
    if (this.#waiting === MAX_WAITING) this.#settle();
  }

  /** Adds a leaf hash that is given as the eight words from a place on: the same bytes, copied four at a time. */
  pushWords(words: Int32Array, from: number): void {
    const to = this.#waiting++ * 8;
    for (let word = 0; word < 8; word++) this.#words[to + word] = words[from + word]!;
    if (this.#waiting === MAX_WAITING) this.#settle();
  }

  #settle(): void {
    if (this.#waiting === 0) return;
    this.#held = batch().append(this.#roots, this.#length, this.#leaves, this.#waiting);
    this.#length += this.#waiting;
    this.#waiting = 0;
  }

  /** The root of the tree. */
  root(): Hash {
    this.#settle();
    return rootOver(this.#roots, this.#held);
  }
}
