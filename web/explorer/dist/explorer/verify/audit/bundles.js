import { readFrames, TILE_WIDTH } from "../tile.js";
const AT_ONCE = 32;
const AHEAD = 3;
export class Bundles {
    #asked = new Map();
    #isOffered = true;
    constructor(read, full) {
        this.read = read;
        this.full = full;
    }
    async get(bundle) {
        const group = Math.floor(bundle / AT_ONCE);
        for (let next = group; next < group + AHEAD && this.#isOffered; next++)
            this.#ask(next);
        for (const past of this.#asked.keys())
            if (past < group)
                this.#asked.delete(past);
        const bundles = await this.#asked.get(group);
        return bundles?.[bundle % AT_ONCE] ?? null;
    }
    #ask(group) {
        const first = group * AT_ONCE;
        const count = Math.min(AT_ONCE, this.full - first);
        if (count > 0 && !this.#asked.has(group))
            this.#asked.set(group, this.#several(first, count));
    }
    async #several(first, count) {
        const bytes = await this.read(first, count).catch(() => null);
        const bundles = bytes === null ? [] : split(bytes, count);
        if (bundles.length === 0)
            this.#isOffered = false;
        return bundles;
    }
}
function split(bytes, count) {
    const { bounds, count: entries, rest } = readFrames(bytes, count * TILE_WIDTH);
    const isWhole = entries % TILE_WIDTH === 0 && !rest;
    return Array.from({ length: isWhole ? entries / TILE_WIDTH : 0 }, (_, at) => bytes.subarray(bounds[at * TILE_WIDTH], bounds[(at + 1) * TILE_WIDTH]));
}
