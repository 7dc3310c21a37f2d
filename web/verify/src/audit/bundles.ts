// Full bundles by the dozen: a log may serve several of them in one response, which costs a fraction of as many requests.

import { readFrames, TILE_WIDTH } from "../tile.js";

/**
 * Reads the full bundles from `first` on, at most `count`, one after the other as their files have them. It may end early, after any bundle. Resolves to null
 * where the log does not offer that; then each bundle is read by its path.
 */
export type ReadBundles = (first: number, count: number) => Promise<Uint8Array | null>;

/** Bundles that are asked for at once: about 460 kB of statements. */
const AT_ONCE = 32;
/** Responses that are asked for ahead of the walk, the one that it reads included. */
const AHEAD = 3;

/** The full bundles of a log, in order. What comes from here is compared with the signed tree like any other bytes. */
export class Bundles {
  readonly #asked = new Map<number, Promise<readonly Uint8Array[]>>();
  #isOffered = true;

  /** `full` is the number of full bundles that the tree has. */
  constructor(private readonly read: ReadBundles, private readonly full: number) {}

  /** A bundle; null if it has to be read by its path. To be called in the order of the log. */
  async get(bundle: number): Promise<Uint8Array | null> {
    const group = Math.floor(bundle / AT_ONCE);
    for (let next = group; next < group + AHEAD && this.#isOffered; next++) this.#ask(next);
    for (const past of this.#asked.keys()) if (past < group) this.#asked.delete(past);
    const bundles = await this.#asked.get(group);
    return bundles?.[bundle % AT_ONCE] ?? null;
  }

  #ask(group: number): void {
    const first = group * AT_ONCE;
    const count = Math.min(AT_ONCE, this.full - first);
    if (count > 0 && !this.#asked.has(group)) this.#asked.set(group, this.#several(first, count));
  }

  async #several(first: number, count: number): Promise<readonly Uint8Array[]> {
    // A log that fails here may still serve its files. If it does not, reading those fails with the reason.
    const bytes = await this.read(first, count).catch(() => null);
    const bundles = bytes === null ? [] : split(bytes, count);
    if (bundles.length === 0) this.#isOffered = false;
    return bundles;
  }
}

/** The full bundles that the bytes consist of, at most so many; none if anything else is in them. */
function split(bytes: Uint8Array, count: number): Uint8Array[] {
  const { bounds, count: entries, rest } = readFrames(bytes, count * TILE_WIDTH);
  const isWhole = entries % TILE_WIDTH === 0 && !rest;
  return Array.from({ length: isWhole ? entries / TILE_WIDTH : 0 }, (_, at) => bytes.subarray(bounds[at * TILE_WIDTH], bounds[(at + 1) * TILE_WIDTH]));
}
