// The tiles of the audited tree, from the root down: what hash every bundle and tile must have.
//
// The partial tiles, one for each level at most, together determine the root: if they lead to the signed one, each hash in them is
// right, and so is each full tile whose root stands in one above it.

import { equalBytes } from "../bytes.js";
import type { TreeHead } from "../merkle.js";
import { formatTilePath, partialTiles, TILE_LEVELS, TILE_WIDTH } from "../tile.js";
import { RightEdge, tileRoot } from "./edge.js";
import type { Cause, Found } from "./found.js";
import type { Log } from "./log.js";

/** The hash that a tile must have; `isRight` if that is known, and not only stated by the tile above. */
export interface Expected { readonly root: Uint8Array; readonly isRight: boolean }

interface Parent { readonly index: number; readonly hashes: Uint8Array; readonly isRight: boolean }

/** A full tile of a higher level, as it was served. */
export interface ServedParent { readonly level: number; readonly index: number; readonly bytes: Uint8Array | null }

const spanOf = (level: number): number => TILE_WIDTH ** level;

/** Reads a tile; one that is missing or of another length is a finding. */
export function readTile(bytes: Uint8Array | null, level: number, index: number, width: number, found: Found): Uint8Array | null {
  const place = { tile: formatTilePath({ level, index: BigInt(index), width }) };
  if (bytes === null) {
    found.add("missing-tile", place, "the tile is not served");
    return null;
  }
  if (bytes.length === width * 32) return bytes;
  found.add("truncated-tile", place, `the tile has ${bytes.length} bytes, not ${width * 32}`);
  return null;
}

/** A tile is not what the tree has in its place. */
export function mismatch(level: number, index: number, width: number, found: Found): Cause {
  const place = { tile: formatTilePath({ level, index: BigInt(index), width }) };
  return found.add("tile-parent-mismatch", place, "the tile does not lead to the signed root");
}

/** The tiles on the way from the root to one bundle. */
export class Tiles {
  readonly #parents: (Parent | null)[] = new Array(TILE_LEVELS + 1).fill(null);

  private constructor(
    private readonly size: number,
    /** The partial tile of each level; null where there is none or it cannot be read. */
    private readonly edge: readonly (Uint8Array | null)[],
    /** Whether the partial tiles lead to the signed root. */
    readonly isEdgeRight: boolean,
  ) {}

  /** Reads the partial tiles of a tree and compares them with its root. */
  static async open(log: Log, head: TreeHead, found: Found): Promise<Tiles> {
    const edge: (Uint8Array | null)[] = new Array(TILE_LEVELS).fill(null);
    const right = new RightEdge();
    for (const { level, index, width } of partialTiles(head.size)) {
      const tile = readTile(await log.tile(level, Number(index), width), level, Number(index), width, found);
      edge[level] = tile;
      if (tile !== null) right.setLevel(level, tile);
    }
    return new Tiles(Number(head.size), edge, right.leadsTo(head));
  }

  /** The partial tile of a level, if it could be read. */
  partial(level: number): Uint8Array | null {
    return this.edge[level]!;
  }

  /** The full tiles above level 0 that have to be read before this bundle is looked at; all above it if it is the first. */
  static parentsOf(bundle: number, isFirst: boolean, size: number): { level: number; index: number }[] {
    const needed = [];
    for (let level = 1; level < TILE_LEVELS; level++) {
      const index = Math.floor(bundle / spanOf(level));
      if ((isFirst || bundle % spanOf(level) === 0) && (index + 1) * spanOf(level + 1) <= size) needed.push({ level, index });
    }
    return needed;
  }

  /** Goes on to a bundle: takes up the tiles above it, from the top down, each checked by the one above. */
  enter(bundle: number, full: readonly ServedParent[], found: Found): void {
    for (let level = TILE_LEVELS - 1; level >= 1; level--) {
      const index = Math.floor(bundle / spanOf(level));
      if (this.#parents[level]?.index === index) continue;
      const served = full.find((tile) => tile.level === level && tile.index === index);
      const partial = this.edge[level] ?? null;
      const isPartial = index === Math.floor(this.size / spanOf(level + 1));
      if (served !== undefined) this.#parents[level] = this.#fullParent(served, found);
      else this.#parents[level] = partial !== null && isPartial ? { index, hashes: partial, isRight: this.isEdgeRight } : null;
    }
  }

  #fullParent({ level, index, bytes }: ServedParent, found: Found): Parent | null {
    const hashes = readTile(bytes, level, index, TILE_WIDTH, found);
    if (hashes === null) return null;
    const expected = this.expected(level, index);
    if (expected?.isRight && !equalBytes(expected.root, tileRoot(hashes))) {
      mismatch(level, index, TILE_WIDTH, found);
      return null;
    }
    return { index, hashes, isRight: expected?.isRight ?? false };
  }

  /** The root that a full tile must have, by the tile above it. */
  expected(level: number, index: number): Expected | null {
    const parent = this.#parents[level + 1];
    const offset = index % TILE_WIDTH;
    if (!parent || parent.index !== Math.floor(index / TILE_WIDTH) || (offset + 1) * 32 > parent.hashes.length) return null;
    return { root: parent.hashes.subarray(offset * 32, offset * 32 + 32), isRight: parent.isRight };
  }

  /** Compares a tile that was computed from the entries with the one that was served and could not be checked from above. */
  compareComputed(level: number, index: number, computed: Uint8Array, found: Found): void {
    const parent = this.#parents[level];
    if (parent?.index === index && !parent.isRight && !equalBytes(parent.hashes, computed)) mismatch(level, index, TILE_WIDTH, found);
  }
}
