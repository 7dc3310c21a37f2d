// Proofs that a reader makes for itself, from the tiles that a log serves. They are verified before they are returned.

import { Log, type ReadObject } from "./audit/log.js";
import { Nodes, type PathStep } from "./audit/nodes.js";
import { prefixRoot } from "./audit/prefix.js";
import { refuse } from "./errors.js";
import { leafHash, verifyInclusion, verifyRange, type Hash, type TreeHead } from "./merkle.js";
import { parseBundle, TILE_WIDTH, tileWidth } from "./tile.js";

export type { PathStep };

/** An entry that a signed tree contains, with the path that shows it. */
export interface ProvenEntry {
  readonly index: bigint;
  readonly bytes: Uint8Array;
  readonly leaf: Hash;
  /** From the leaf up. */
  readonly path: readonly PathStep[];
}

/** Entries side by side that a signed tree contains. */
export interface ProvenRun { readonly first: bigint; readonly entries: readonly Uint8Array[]; readonly left: readonly Hash[]; readonly right: readonly Hash[] }

/** Makes proofs about one signed tree. */
export class Prover {
  readonly #log: Log;
  readonly #nodes: Nodes;

  constructor(log: ReadObject | Log, readonly head: TreeHead) {
    this.#log = log instanceof Log ? log : new Log(log);
    this.#nodes = new Nodes(this.#log, head.size);
  }

  /** An entry with its verified inclusion path. Refused with class `not-included` if what the log serves does not lead to the signed root. */
  async entry(index: bigint): Promise<ProvenEntry> {
    if (index < 0n || index >= this.head.size) refuse("not-included", `the tree has ${this.head.size} entries, and none with index ${index}`);
    const entries = await this.bundle(index / BigInt(TILE_WIDTH));
    const entry = entries[Number(index % BigInt(TILE_WIDTH))]!;
    const leaf = leafHash(entry);
    return { index, bytes: entry, leaf, path: await this.#path(index, leaf) };
  }

  /** The entries of a bundle as the log serves them. Nothing shows yet that they are the tree's. */
  async bundle(bundle: bigint): Promise<Uint8Array[]> {
    const width = tileWidth(0, bundle, this.head.size);
    if (width === 0) refuse("no-entry", `the tree has no bundle ${bundle}`);
    const bytes = await this.#log.bundle(Number(bundle), width);
    if (bytes === null) refuse("no-entry", `the log does not serve bundle ${bundle}`);
    return parseBundle(bytes, width) ?? refuse("format", `bundle ${bundle} does not hold ${width} entries`);
  }

  async #path(index: bigint, leaf: Hash): Promise<PathStep[]> {
    const path = await this.#nodes.inclusion(index);
    if (path === null) refuse("not-included", "the log does not serve the tiles of the proof");
    verifyInclusion(index, this.head, leaf, path.map(({ hash }) => hash));
    return path;
  }

  /** Entries side by side with the verified range proof that the tree has them. */
  async run(first: bigint, entries: readonly Uint8Array[]): Promise<ProvenRun> {
    const end = first + BigInt(entries.length);
    if (entries.length === 0 || first < 0n || end > this.head.size) refuse("not-included", "the range is not one of the tree");
    const around = await this.#nodes.around(first, end) ?? refuse("no-entry", "the log does not serve the tiles of the proof");
    verifyRange(first, entries.map(leafHash), this.head, around.left, around.right);
    return { first, entries, ...around };
  }

  /** The root of the first `size` entries, proven to be those of the signed tree; null if the tiles that are served do not prove one. */
  async rootAt(size: bigint): Promise<Hash | null> {
    if (size <= 0n || size > this.head.size) return null;
    return size === this.head.size ? this.head.root : prefixRoot(this.#log, size, this.head);
  }
}
