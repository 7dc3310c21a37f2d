import { refuse, VerifyError } from "../errors.js";
import { MAX_NOTE_BYTES } from "../note.js";
import { formatTilePath, MAX_ENTRY_BYTES, parseBundle, TILE_WIDTH } from "../tile.js";
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);
export class Log {
    read;
    constructor(read) {
        this.read = read;
    }
    async object(path, most) {
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
        return this.object("checkpoint", MAX_NOTE_BYTES + 1);
    }
    async tile(level, index, width) {
        const at = (wide) => formatTilePath({ level, index: BigInt(index), width: wide });
        const most = 2 * TILE_WIDTH * 32;
        const served = await this.object(at(width), most);
        if (served !== null || width === TILE_WIDTH)
            return served;
        const full = await this.object(at(TILE_WIDTH), most);
        return full?.length === TILE_WIDTH * 32 ? full.subarray(0, width * 32) : full;
    }
    async bundle(index, width) {
        const at = (wide) => formatTilePath({ level: "entries", index: BigInt(index), width: wide });
        const served = await this.object(at(width), MAX_BUNDLE_BYTES);
        if (served !== null || width === TILE_WIDTH)
            return served;
        const full = await this.object(at(TILE_WIDTH), MAX_BUNDLE_BYTES);
        const entries = full === null ? null : parseBundle(full, TILE_WIDTH);
        if (full === null || entries === null)
            return full;
        return full.subarray(0, entries.slice(0, width).reduce((length, entry) => length + 2 + entry.length, 0));
    }
}
