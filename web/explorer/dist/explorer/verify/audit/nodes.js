import { nodeHash, split } from "../merkle.js";
import { tileWidth } from "../tile.js";
export class Nodes {
    #tiles = new Map();
    constructor(log, size) {
        this.log = log;
        this.size = size;
    }
    async node(from, to) {
        const span = to - from;
        const height = span.toString(2).length - 1;
        if (span === 1n << BigInt(height) && from % span === 0n)
            return this.#perfect(from, height);
        const middle = from + split(span);
        const [left, right] = [await this.node(from, middle), await this.node(middle, to)];
        return left === null || right === null ? null : nodeHash(left, right);
    }
    async #perfect(from, height) {
        const level = Math.min(7, Math.floor(height / 8));
        const first = from >> BigInt(8 * level);
        const tile = await this.#tile(level, first / 256n);
        const count = 2 ** (height - 8 * level);
        const at = Number(first % 256n);
        if (tile === null || (at + count) * 32 > tile.length)
            return null;
        let hashes = Array.from({ length: count }, (_, place) => tile.slice((at + place) * 32, (at + place + 1) * 32));
        while (hashes.length > 1)
            hashes = hashes.flatMap((hash, place) => (place % 2 ? [nodeHash(hashes[place - 1], hash)] : []));
        return hashes[0];
    }
    async #tile(level, index) {
        const name = `${level}/${index}`;
        const known = this.#tiles.get(name);
        if (known !== undefined)
            return known;
        const width = tileWidth(level, index, this.size);
        const bytes = width === 0 ? null : await this.log.tile(level, Number(index), width);
        const tile = bytes !== null && bytes.length === width * 32 ? bytes : null;
        this.#tiles.set(name, tile);
        return tile;
    }
    async inclusion(index) {
        const spans = [];
        let [from, to] = [0n, this.size];
        if (index < 0n || index >= to)
            return null;
        while (to - from > 1n) {
            const middle = from + split(to - from);
            spans.push(index < middle ? [middle, to] : [from, middle]);
            if (index < middle)
                to = middle;
            else
                from = middle;
        }
        const path = [];
        for (const [start, end] of spans.reverse()) {
            const hash = await this.node(start, end);
            if (hash === null)
                return null;
            path.push({ hash, from: start, to: end });
        }
        return path;
    }
    async around(first, end) {
        const [left, right] = [[], []];
        const collect = async (from, to) => {
            if (from >= first && to <= end)
                return true;
            if (to <= first || from >= end) {
                const hash = await this.node(from, to);
                if (hash !== null)
                    (to <= first ? left : right).push(hash);
                return hash !== null;
            }
            const middle = from + split(to - from);
            return (await collect(from, middle)) && collect(middle, to);
        };
        return (await collect(0n, this.size)) ? { left, right } : null;
    }
    async consistency(old) {
        const proof = [];
        let [from, to, size, isWhole] = [0n, this.size, old, true];
        const spans = [];
        while (size !== to - from) {
            const middle = split(to - from);
            if (size <= middle) {
                spans.push([from + middle, to]);
                to = from + middle;
            }
            else {
                spans.push([from, from + middle]);
                from += middle;
                size -= middle;
                isWhole = false;
            }
        }
        if (!isWhole)
            spans.push([from, to]);
        for (const [start, end] of spans.reverse()) {
            const hash = await this.node(start, end);
            if (hash === null)
                return null;
            proof.push(hash);
        }
        return proof;
    }
}
