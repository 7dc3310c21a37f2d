// Nodes of a tree and the proofs that are made of them, from the tiles that a log serves.

import { nodeHash, split, type Hash } from "../merkle.js";
import { tileWidth } from "../tile.js";
import type { Log } from "./log.js";

/** A hash of an inclusion path, and the leaves [from, to) that it covers. */
export interface PathStep { readonly hash: Hash; readonly from: bigint; readonly to: bigint }

/** Nodes of a tree, from its tiles. None of them is verified: they are what a proof is made of. */
export class Nodes {
  readonly #tiles = new Map<string, Uint8Array | null>();

  constructor(private readonly log: Log, private readonly size: bigint) {}

  /** The hash over the leaves [from, to); null if the tiles do not have it. */
  async node(from: bigint, to: bigint): Promise<Hash | null> {
    const span = to - from;
    const height = span.toString(2).length - 1;
    if (span === 1n << BigInt(height) && from % span === 0n) return this.#perfect(from, height);
    const middle = from + split(span);
    const [left, right] = [await this.node(from, middle), await this.node(middle, to)];
    return left === null || right === null ? null : nodeHash(left, right);
  }

  async #perfect(from: bigint, height: number): Promise<Hash | null> {
    const level = Math.min(7, Math.floor(height / 8));
    const first = from >> BigInt(8 * level);
    const tile = await this.#tile(level, first / 256n);
    const count = 2 ** (height - 8 * level);
    const at = Number(first % 256n);
    if (tile === null || (at + count) * 32 > tile.length) return null;
    let hashes = Array.from({ length: count }, (_, place) => tile.slice((at + place) * 32, (at + place + 1) * 32));
    while (hashes.length > 1) hashes = hashes.flatMap((hash, place) => (place % 2 ? [nodeHash(hashes[place - 1]!, hash)] : []));
    return hashes[0]!;
  }

  async #tile(level: number, index: bigint): Promise<Uint8Array | null> {
    const name = `${level}/${index}`;
    const known = this.#tiles.get(name);
    if (known !== undefined) return known;
    const width = tileWidth(level, index, this.size);
    const bytes = width === 0 ? null : await this.log.tile(level, Number(index), width);
    const tile = bytes !== null && bytes.length === width * 32 ? bytes : null;
    this.#tiles.set(name, tile);
    return tile;
  }

  /** RFC 6962 section 2.1.1: the path of an entry, from the leaf up. The spans say which leaves each hash covers. */
  async inclusion(index: bigint): Promise<PathStep[] | null> {
    const spans: [bigint, bigint][] = [];
    let [from, to] = [0n, this.size];
    if (index < 0n || index >= to) return null;
    while (to - from > 1n) {
      const middle = from + split(to - from);
      spans.push(index < middle ? [middle, to] : [from, middle]);
      if (index < middle) to = middle;
      else from = middle;
    }
    const path: PathStep[] = [];
    for (const [start, end] of spans.reverse()) {
      const hash = await this.node(start, end);
      if (hash === null) return null;
      path.push({ hash, from: start, to: end });
    }
    return path;
  }

  /** The hashes left and right of the leaves [first, end): what shows that the tree has these there. Left to right. */
  async around(first: bigint, end: bigint): Promise<{ left: Hash[]; right: Hash[] } | null> {
    const [left, right]: [Hash[], Hash[]] = [[], []];
    const collect = async (from: bigint, to: bigint): Promise<boolean> => {
      if (from >= first && to <= end) return true;
      if (to <= first || from >= end) {
        const hash = await this.node(from, to);
        if (hash !== null) (to <= first ? left : right).push(hash);
        return hash !== null;
      }
      const middle = from + split(to - from);
      return (await collect(from, middle)) && collect(middle, to);
    };
    return (await collect(0n, this.size)) ? { left, right } : null;
  }

  /** RFC 6962 section 2.1.2: the consistency proof from a smaller size. */
  async consistency(old: bigint): Promise<Hash[] | null> {
    const proof: Hash[] = [];
    let [from, to, size, isWhole] = [0n, this.size, old, true];
    const spans: [bigint, bigint][] = [];
    while (size !== to - from) {
      const middle = split(to - from);
      if (size <= middle) {
        spans.push([from + middle, to]);
        to = from + middle;
      } else {
        spans.push([from, from + middle]);
        from += middle;
        size -= middle;
        isWhole = false;
      }
    }
    if (!isWhole) spans.push([from, to]);
    for (const [start, end] of spans.reverse()) {
      const hash = await this.node(start, end);
      if (hash === null) return null;
      proof.push(hash);
    }
    return proof;
  }
}
