// Proofs over a list of leaf hashes, straight from the definitions of RFC 6962 and docs/formats.md, and the files made of them.

import { encodeBase64, encodeHex } from "../dist/bytes.js";
import { leafHash, nodeHash } from "../dist/index.js";
import { CompactRange, EMPTY_ROOT } from "./internals.mjs";
import { ORIGIN } from "./log.mjs";

const split = (n) => 2 ** Math.ceil(Math.log2(n) - 1);

/** The tree over leaf hashes: roots of parts are computed once. */
export class Tree {
  constructor(entries) {
    this.leaves = entries.map(leafHash);
    this.known = new Map();
  }

  get size() {
    return this.leaves.length;
  }

  root(from = 0, to = this.size) {
    if (to - from === 0) return EMPTY_ROOT;
    if (to - from === 1) return this.leaves[from];
    const name = `${from} ${to}`;
    if (!this.known.has(name)) {
      const middle = from + split(to - from);
      this.known.set(name, nodeHash(this.root(from, middle), this.root(middle, to)));
    }
    return this.known.get(name);
  }

  /** PATH(m, D[from:to]) of RFC 6962. */
  inclusion(index, from = 0, to = this.size) {
    if (to - from <= 1) return [];
    const middle = from + split(to - from);
    if (index < middle) return [...this.inclusion(index, from, middle), this.root(middle, to)];
    return [...this.inclusion(index, middle, to), this.root(from, middle)];
  }

  /** PROOF(m, D[n]) of RFC 6962. */
  consistency(old, from = 0, to = this.size, isWhole = true) {
    const size = to - from;
    if (old === size) return isWhole ? [] : [this.root(from, to)];
    const half = split(size);
    if (old <= half) return [...this.consistency(old, from, from + half, isWhole), this.root(from + half, to)];
    return [...this.consistency(old - half, from + half, to, false), this.root(from, from + half)];
  }

  /** The perfect subtrees of [0, first), and the right siblings on the path of the last leaf, the one next to the leaf first. */
  range(first, count) {
    const left = [];
    let at = 0;
    for (let bit = 2 ** 40; bit >= 1; bit /= 2) {
      if (Math.floor(first / bit) % 2 === 0) continue;
      left.push(this.root(at, at + bit));
      at += bit;
    }
    const right = [];
    for (let [from, to] = [0, this.size], last = first + count - 1; to - from > 1;) {
      const middle = from + split(to - from);
      if (last < middle) {
        right.unshift(this.root(middle, to));
        to = middle;
      } else {
        from = middle;
      }
    }
    return { left, right };
  }

  /** The hashes of the compact range of the first `size` leaves of these. */
  static compact(leaves) {
    const tree = new Tree([]);
    tree.leaves = leaves;
    return leaves.length === 0 ? [] : tree.perfect(0, leaves.length);
  }

  perfect(from, to) {
    const hashes = [];
    for (let bit = 2 ** 40; bit >= 1; bit /= 2) {
      if (Math.floor((to - from) / bit) % 2 === 0) continue;
      const before = Math.floor((to - from) / (2 * bit)) * 2 * bit;
      hashes.push(this.root(from + before, from + before + bit));
    }
    return hashes;
  }
}

/** A run of entries with its range proof, as completeness and evidence files have it. */
export function run(tree, entries, first, count = 1) {
  const { left, right } = tree.range(first, count);
  return {
    first, entries: entries.slice(first, first + count).map(encodeBase64), left: left.map(encodeHex), right: right.map(encodeHex),
  };
}

/** Runs of the entries at these indexes, those side by side together. */
export function runs(tree, entries, indexes) {
  const out = [];
  for (const index of [...new Set(indexes)].sort((one, other) => one - other)) {
    const last = out.at(-1);
    if (last && last[0] + last[1] === index) last[1]++;
    else out.push([index, 1]);
  }
  return out.map(([first, count]) => run(tree, entries, first, count));
}

/** The proof file of an entry, with the entry in it. */
export function proofFile(tree, entries, index, note) {
  const hashes = tree.inclusion(index).map((hash) => `${encodeBase64(hash)}\n`).join("");
  return `c2sp.org/tlog-proof@v1\nextra ${encodeBase64(entries[index])}\nindex ${index}\n${hashes}\n${note}`;
}

export { CompactRange, ORIGIN };
