// The right edge of a tree: the unfinished tile of each level. It is all that must be kept to go on, whatever the size of the log.

import { equalBytes } from "../bytes.js";
import { EMPTY_ROOT, nodeHash, type Hash, type TreeHead } from "../merkle.js";
import { TILE_LEVELS, TILE_WIDTH } from "../tile.js";
import { batch, TILE_BYTES } from "./batch.js";

/** The root of a full tile. */
export const tileRoot = (hashes: Uint8Array): Hash => batch().root(hashes, 0, TILE_WIDTH);

/** A tile that a larger one completed. */
export type OnFull = (level: number, index: number, hashes: Uint8Array) => void;

/** The unfinished tiles, level 0 first. */
export class RightEdge {
  /** Number of entries under it. */
  size = 0;
  readonly #tiles = Array.from({ length: TILE_LEVELS }, () => ({ hashes: new Uint8Array(TILE_BYTES), width: 0 }));

  /** The hashes of the unfinished tile of a level. */
  level(level: number): Uint8Array {
    const { hashes, width } = this.#tiles[level]!;
    return hashes.subarray(0, width * 32);
  }

  /** Puts leaf hashes in place of those of the unfinished bundle. */
  setLeaves(leaves: Uint8Array): void {
    const tile = this.#tiles[0]!;
    const width = leaves.length / 32;
    this.size += width - tile.width;
    tile.hashes.set(leaves);
    tile.width = width;
  }

  /** Sets a level without counting: for edges that were read instead of grown. */
  setLevel(level: number, hashes: Uint8Array): void {
    const tile = this.#tiles[level]!;
    tile.hashes.set(hashes);
    tile.width = hashes.length / 32;
    this.size = this.#tiles.reduceRight((size, one) => size * TILE_WIDTH + one.width, 0);
  }

  /** Puts the root of a full tile of level 0 in place of the unfinished bundle. */
  pushTile(root: Uint8Array, onFull: OnFull): void {
    const leaves = this.#tiles[0]!;
    this.size += TILE_WIDTH - leaves.width;
    leaves.width = 0;
    let hash = root;
    let span = TILE_WIDTH;
    for (let level = 1; level < TILE_LEVELS; level++) {
      const tile = this.#tiles[level]!;
      tile.hashes.set(hash, tile.width++ * 32);
      if (tile.width < TILE_WIDTH) return;
      span *= TILE_WIDTH;
      onFull(level, this.size / span - 1, tile.hashes);
      hash = tileRoot(tile.hashes);
      tile.width = 0;
    }
  }

  /** A copy that grows by itself. */
  clone(): RightEdge {
    const copy = new RightEdge();
    this.#tiles.forEach(({ hashes, width }, level) => {
      copy.#tiles[level]!.hashes.set(hashes);
      copy.#tiles[level]!.width = width;
    });
    copy.size = this.size;
    return copy;
  }

  /** The root of the tree. */
  root(): Hash {
    let root: Hash | null = null;
    for (const { hashes, width } of this.#tiles) {
      for (let bit = 1, end = width; bit <= width; bit <<= 1) {
        if ((width & bit) === 0) continue;
        end -= bit;
        const perfect = batch().root(hashes, end, bit);
        root = root === null ? perfect : nodeHash(perfect, root);
      }
    }
    return root ?? EMPTY_ROOT;
  }

  /** Whether it is the edge of this tree. */
  leadsTo(head: TreeHead): boolean {
    return BigInt(this.size) === head.size && equalBytes(this.root(), head.root);
  }
}
