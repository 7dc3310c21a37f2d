// Tiles and entry bundles (C2SP tlog-tiles): their paths, their widths, and what is in them.

import { refuse } from "./errors.js";

/** Hashes of a full tile, entries of a full bundle. */
export const TILE_WIDTH = 256;

/** Levels that a tree of 64-bit size can have. */
export const TILE_LEVELS = 8;

/** Longest entry: bundles frame entries with 16 bits. */
export const MAX_ENTRY_BYTES = 65_535;

/** What a path names: the hashes of a tile, or the entries of a bundle (level "entries"). */
export interface TilePath { readonly level: number | "entries"; readonly index: bigint; readonly width: number }

/** The path of a tile or bundle, without a leading slash. */
export function formatTilePath({ level, index, width }: TilePath): string {
  let digits = index.toString();
  digits = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = digits.match(/.{3}/g)!.map((group, at, all) => (at < all.length - 1 ? `x${group}` : group));
  return `tile/${level}/${groups.join("/")}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** Reads a path; refused unless it is the one spelling of what it names. */
export function parseTilePath(path: string): TilePath {
  const match = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,6}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  if (match === null) refuse("format", "this is not the path of a tile");
  const level = match[1] === "entries" ? "entries" : Number(match[1]);
  const index = BigInt(match[2]!.replace(/[x/]/g, ""));
  const width = match[3] === undefined ? TILE_WIDTH : Number(match[3]);
  const parsed: TilePath = { level, index, width };
  const isPartial = match[3] !== undefined;
  const fits = (level === "entries" || level < 64) && index < 1n << 64n && (!isPartial || width < TILE_WIDTH);
  if (!fits || formatTilePath(parsed) !== path) refuse("format", "this is not the path of a tile");
  return parsed;
}

/** How many hashes the tile at this place has in a tree of this size; 0 if there is none. */
export function tileWidth(level: number, index: bigint, size: bigint): number {
  const hashes = size >> BigInt(8 * level);
  const left = hashes - index * 256n;
  return left <= 0n ? 0 : left >= 256n ? TILE_WIDTH : Number(left);
}

/** The partial tile of each level of a tree of this size, as far as there are any. */
export function partialTiles(size: bigint): { level: number; index: bigint; width: number }[] {
  const tiles = [];
  for (let level = 0; level < TILE_LEVELS; level++) {
    const hashes = size >> BigInt(8 * level);
    const width = Number(hashes % 256n);
    if (width > 0) tiles.push({ level, index: hashes / 256n, width });
  }
  return tiles;
}

/** The hashes of a tile; null unless it has as many as it should. */
export function parseTile(bytes: Uint8Array, width: number): Uint8Array[] | null {
  if (bytes.length !== width * 32) return null;
  return Array.from({ length: width }, (_, at) => bytes.subarray(32 * at, 32 * at + 32));
}

/** Where the entries of a bundle are, without an object for each: entry `at` lies between `bounds[at] + FRAME_BYTES` and `bounds[at + 1]`. */
export interface Frames { readonly bounds: Int32Array; readonly count: number; readonly rest: boolean }

/** Bytes before each entry of a bundle: its length. */
export const FRAME_BYTES = 2;

/** As many entries as the bytes begin with, at most `limit`, and whether bytes are left over. */
export function readFrames(bytes: Uint8Array, limit: number): Frames {
  const bounds = new Int32Array(limit + 1);
  let [count, at] = [0, 0];
  while (count < limit && at + FRAME_BYTES <= bytes.length) {
    const end = at + FRAME_BYTES + (bytes[at]! << 8) + bytes[at + 1]!;
    if (end > bytes.length) break;
    bounds[++count] = at = end;
  }
  return { bounds, count, rest: at < bytes.length };
}

/** The same, with an object for each entry. */
export function readEntries(bytes: Uint8Array, limit: number): { entries: Uint8Array[]; rest: boolean } {
  const { bounds, count, rest } = readFrames(bytes, limit);
  return { entries: Array.from({ length: count }, (_, at) => bytes.subarray(bounds[at]! + FRAME_BYTES, bounds[at + 1])), rest };
}

/** The entries of a bundle; null unless the bytes are exactly so many entries. */
export function parseBundle(bytes: Uint8Array, width: number): Uint8Array[] | null {
  const { entries, rest } = readEntries(bytes, width);
  return entries.length === width && !rest ? entries : null;
}
