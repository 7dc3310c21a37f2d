import { parseDecimal } from "../bytes.js";
import { refuse, VerifyError } from "../errors.js";
import { MAX_NOTE_BYTES } from "../note.js";
import { formatTilePath, MAX_ENTRY_BYTES, parseBundle, TILE_WIDTH } from "../tile.js";
const MAX_OBJECT_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);
const MAX_NOTICE_BYTES = 128;
export class Log {
    constructor(read) {
        this.read = read;
    }
    async #object(path, most) {
        let bytes;
        try {
            bytes = await this.read(path);
        }
        catch (error) {
            if (error instanceof VerifyError)
                throw error;
            return refuse("unreadable", `the log could not be read: ${error instanceof Error ? error.message : "an error without words"}`);
        }
        return bytes === null || bytes.length > most ? null : bytes;
    }
    checkpoint() {
        return this.#object("checkpoint", MAX_NOTE_BYTES + 1);
    }
    async pruned() {
        const bytes = await this.#object("pruned", MAX_NOTICE_BYTES);
        const read = bytes === null ? null : /^minimum [0-9]+\nannounced ([0-9]+)\n$/.exec(new TextDecoder().decode(bytes));
        return read === null ? null : parseDecimal(read[1]);
    }
    async tile(level, index, width) {
        const { bytes, isWhole } = await this.#part(level, index, width);
        return isWhole && bytes.length === TILE_WIDTH * 32 ? bytes.subarray(0, width * 32) : bytes;
    }
    async bundle(index, width) {
        const { bytes, isWhole } = await this.#part("entries", index, width);
        const entries = isWhole ? parseBundle(bytes, TILE_WIDTH) : null;
        return entries === null ? bytes : bytes.subarray(0, entries.slice(0, width).reduce((length, entry) => length + 2 + entry.length, 0));
    }
    async #part(level, index, width) {
        const read = (wide) => this.#object(formatTilePath({ level, index: BigInt(index), width: wide }), MAX_OBJECT_BYTES);
        const served = await read(width);
        if (served !== null || width === TILE_WIDTH)
            return { bytes: served, isWhole: false };
        const full = await read(TILE_WIDTH);
        return full === null ? { bytes: null, isWhole: false } : { bytes: full, isWhole: true };
    }
}
