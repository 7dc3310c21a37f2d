// Reading what a log serves: by path, a bounded number of objects at a time.

import { parseDecimal } from "../bytes.js";
import { refuse, VerifyError } from "../errors.js";
import { MAX_NOTE_BYTES } from "../note.js";
import { formatTilePath, MAX_ENTRY_BYTES, parseBundle, TILE_WIDTH, type TilePath } from "../tile.js";

/**
 * Reads an object of the log by its path: `checkpoint`, `tile/0/000` and so on. Resolves to null if the log does not serve it, and
 * rejects if the log could not be asked, which shows nothing about the log.
 */
export type ReadObject = (path: string) => Promise<Uint8Array | null>;

/** A full bundle of the longest entries. */
const MAX_OBJECT_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);

/** Two numbers and their names. */
const MAX_NOTICE_BYTES = 128;

/** What a log serves; anything longer than it may be counts as not served. */
export class Log {
  constructor(private readonly read: ReadObject) {}

  async #object(path: string, most: number): Promise<Uint8Array | null> {
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
    return this.#object("checkpoint", MAX_NOTE_BYTES + 1);
  }

  /** Where the log announces that it gave up entries, in words that nothing vouches for: the index of an entry. Null if it shows no such notice. */
  async pruned(): Promise<bigint | null> {
    const bytes = await this.#object("pruned", MAX_NOTICE_BYTES);
    const read = bytes === null ? null : /^minimum [0-9]+\nannounced ([0-9]+)\n$/.exec(new TextDecoder().decode(bytes));
    return read === null ? null : parseDecimal(read[1]!);
  }

  /** A tile, as it is served: of another length, too. */
  async tile(level: number, index: number, width: number): Promise<Uint8Array | null> {
    const { bytes, isWhole } = await this.#part(level, index, width);
    return isWhole && bytes.length === TILE_WIDTH * 32 ? bytes.subarray(0, width * 32) : bytes;
  }

  /** An entry bundle, as it is served. */
  async bundle(index: number, width: number): Promise<Uint8Array | null> {
    const { bytes, isWhole } = await this.#part("entries", index, width);
    const entries = isWhole ? parseBundle(bytes, TILE_WIDTH) : null;
    return entries === null ? bytes : bytes!.subarray(0, entries.slice(0, width).reduce((length, entry) => length + 2 + entry.length, 0));
  }

  /**
   * A tile or bundle of this width, or the full one in place of a partial one. SPEC: a log may delete a partial tile once the full one exists, and
   * likewise a bundle. One of any length that was read is shown as what it is: of a wrong length.
   */
  async #part(level: TilePath["level"], index: number, width: number): Promise<{ bytes: Uint8Array; isWhole: true } | { bytes: Uint8Array | null; isWhole: false }> {
    const read = (wide: number): Promise<Uint8Array | null> => this.#object(formatTilePath({ level, index: BigInt(index), width: wide }), MAX_OBJECT_BYTES);
    const served = await read(width);
    if (served !== null || width === TILE_WIDTH) return { bytes: served, isWhole: false };
    const full = await read(TILE_WIDTH);
    return full === null ? { bytes: null, isWhole: false } : { bytes: full, isWhole: true };
  }
}
