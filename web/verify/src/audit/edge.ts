// The right edge of a tree: the unfinished tile of each level. It is all that must be kept to go on, whatever the size of the log.

import { equalBytes } from "../bytes.js";
import { EMPTY_ROOT, nodeHash, type Hash, type TreeHead } from "../merkle.js";
import { sha256Into } from "../sha256.js";
import { TILE_LEVELS, TILE_WIDTH } from "../tile.js";

/** Bytes of a full tile. */
export const TILE_BYTES = TILE_WIDTH * 32;

const SCRATCH = new Uint8Array(TILE_BYTES);

/** The root over so many hashes that lie side by side, a power of two of them. */
function perfectRoot(hashes: Uint8Array, from: number, count: number): Hash {
  SCRATCH.set(hashes.subarray(from * 32, (from + count) * 32));
  for (let width = count; width > 1; width >>= 1) {
    // Written left of what is still to be read.
    for (let at = 0; at < width; at += 2) sha256Into(SCRATCH, at * 16, 0x01, SCRATCH, at * 32, at * 32 + 64);
  }
  return SCRATCH.slice(0, 32);
}

/** The root of a full tile. */
export const tileRoot = (hashes: Uint8Array): Hash => perfectRoot(hashes, 0, TILE_WIDTH);

/** A tile that a larger one completed. */
export type OnFull = (level: number, index: number, hashes: Uint8Array) => void;

/** The unfinished tiles, level 0 first. */
export class RightEdge {
  /** Number of entries under it. */
  size = 0;
  private readonly tiles = Array.from({ length: TILE_LEVELS }, () => ({ hashes: new Uint8Array(TILE_BYTES), width: 0 }));

  /** The hashes of the unfinished tile of a level. */
  level(level: number): Uint8Array {
    const { hashes, width } = this.tiles[level]!;
    return hashes.subarray(0, width * 32);
  }

  /** Puts leaf hashes in place of those of the unfinished bundle. */
  setLeaves(leaves: Uint8Array): void {
    const tile = this.tiles[0]!;
    const width = leaves.length / 32;
    this.size += width - tile.width;
    tile.hashes.set(leaves);
    tile.width = width;
  }

  /** Sets a level without counting: for edges that were read instead of grown. */
  setLevel(level: number, hashes: Uint8Array): void {
    const tile = this.tiles[level]!;
    tile.hashes.set(hashes);
    tile.width = hashes.length / 32;
    this.size = this.tiles.reduceRight((size, one) => size * TILE_WIDTH + one.width, 0);
  }

  /** Puts the root of a full tile of level 0 in place of the unfinished bundle. */
  pushTile(root: Uint8Array, onFull: OnFull): void {
    const leaves = this.tiles[0]!;
    this.size += TILE_WIDTH - leaves.width;
    leaves.width = 0;
    let hash = root;
    let span = TILE_WIDTH;
    for (let level = 1; level < TILE_LEVELS; level++) {
      const tile = this.tiles[level]!;
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
    this.tiles.forEach(({ hashes, width }, level) => {
      copy.tiles[level]!.hashes.set(hashes);
      copy.tiles[level]!.width = width;
    });
    copy.size = this.size;
    return copy;
  }

  /** The root of the tree. */
  root(): Hash {
    let root: Hash | null = null;
    for (const { hashes, width } of this.tiles) {
      for (let bit = 1, end = width; bit <= width; bit <<= 1) {
        if ((width & bit) === 0) continue;
        end -= bit;
        const perfect = perfectRoot(hashes, end, bit);
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
