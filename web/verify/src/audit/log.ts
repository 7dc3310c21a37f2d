// Reading what a log serves: by path, a bounded number of objects at a time.

import { refuse, VerifyError } from "../errors.js";
import { MAX_NOTE_BYTES } from "../note.js";
import { formatTilePath, MAX_ENTRY_BYTES, parseBundle, TILE_WIDTH } from "../tile.js";

/**
 * Reads an object of the log by its path: `checkpoint`, `tile/0/000` and so on. Resolves to null if the log does not serve it, and
 * rejects if the log could not be asked, which shows nothing about the log.
 */
export type ReadObject = (path: string) => Promise<Uint8Array | null>;

const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);

/** What a log serves; anything longer than it may be counts as not served. */
export class Log {
  constructor(private readonly read: ReadObject) {}

  private async object(path: string, most: number): Promise<Uint8Array | null> {
    let bytes;
    try {
      bytes = await this.read(path);
    } catch (error) {
      if (error instanceof VerifyError) throw error;
      return refuse("unreadable", `the log could not be read: ${error instanceof Error ? error.message : "an error without words"}`);
    }
    return bytes === null || bytes.length > most ? null : bytes;
  }

  checkpoint(): Promise<Uint8Array | null> {
    return this.object("checkpoint", MAX_NOTE_BYTES + 1);
  }

  /** A tile, as it is served: of another length, too. */
  async tile(level: number, index: number, width: number): Promise<Uint8Array | null> {
    const at = (wide: number): string => formatTilePath({ level, index: BigInt(index), width: wide });
    const most = 2 * TILE_WIDTH * 32;
    const served = await this.object(at(width), most);
    if (served !== null || width === TILE_WIDTH) return served;
    // SPEC: a log may delete a partial tile once the full one exists, and likewise a bundle.
    const full = await this.object(at(TILE_WIDTH), most);
    return full?.length === TILE_WIDTH * 32 ? full.subarray(0, width * 32) : full;
  }

  /** An entry bundle, as it is served. */
  async bundle(index: number, width: number): Promise<Uint8Array | null> {
    const at = (wide: number): string => formatTilePath({ level: "entries", index: BigInt(index), width: wide });
    const served = await this.object(at(width), MAX_BUNDLE_BYTES);
    if (served !== null || width === TILE_WIDTH) return served;
    const full = await this.object(at(TILE_WIDTH), MAX_BUNDLE_BYTES);
    const entries = full === null ? null : parseBundle(full, TILE_WIDTH);
    if (full === null || entries === null) return full;
    return full.subarray(0, entries.slice(0, width).reduce((length, entry) => length + 2 + entry.length, 0));
  }
}
