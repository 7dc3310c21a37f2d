import { equalBytes } from "../bytes.js";
import { formatTilePath, partialTiles, TILE_LEVELS, TILE_WIDTH } from "../tile.js";
import { RightEdge, tileRoot } from "./edge.js";
const spanOf = (level) => TILE_WIDTH ** level;
export function readTile(bytes, level, index, width, found) {
    const place = { tile: formatTilePath({ level, index: BigInt(index), width }) };
    if (bytes === null) {
        found.add("missing-tile", place, "the tile is not served");
        return null;
    }
    if (bytes.length === width * 32)
        return bytes;
    found.add("truncated-tile", place, `the tile has ${bytes.length} bytes, not ${width * 32}`);
    return null;
}
export function mismatch(level, index, width, found) {
    const place = { tile: formatTilePath({ level, index: BigInt(index), width }) };
    return found.add("tile-parent-mismatch", place, "the tile does not lead to the signed root");
}
export class Tiles {
    #parents = new Array(TILE_LEVELS + 1).fill(null);
    constructor(size, edge, isEdgeRight) {
        this.size = size;
        this.edge = edge;
        this.isEdgeRight = isEdgeRight;
    }
    static async open(log, head, found) {
        const edge = new Array(TILE_LEVELS).fill(null);
        const right = new RightEdge();
        for (const { level, index, width } of partialTiles(head.size)) {
            const tile = readTile(await log.tile(level, Number(index), width), level, Number(index), width, found);
            edge[level] = tile;
            if (tile !== null)
                right.setLevel(level, tile);
        }
        return new Tiles(Number(head.size), edge, right.leadsTo(head));
    }
    partial(level) {
        return this.edge[level];
    }
    static parentsOf(bundle, isFirst, size) {
        const needed = [];
        for (let level = 1; level < TILE_LEVELS; level++) {
            const index = Math.floor(bundle / spanOf(level));
            if ((isFirst || bundle % spanOf(level) === 0) && (index + 1) * spanOf(level + 1) <= size)
                needed.push({ level, index });
        }
        return needed;
    }
    enter(bundle, full, found) {
        for (let level = TILE_LEVELS - 1; level >= 1; level--) {
            const index = Math.floor(bundle / spanOf(level));
            if (this.#parents[level]?.index === index)
                continue;
            const served = full.find((tile) => tile.level === level && tile.index === index);
            const partial = this.edge[level] ?? null;
            const isPartial = index === Math.floor(this.size / spanOf(level + 1));
            if (served !== undefined)
                this.#parents[level] = this.#fullParent(served, found);
            else
                this.#parents[level] = partial !== null && isPartial ? { index, hashes: partial, isRight: this.isEdgeRight } : null;
        }
    }
    #fullParent({ level, index, bytes }, found) {
        const hashes = readTile(bytes, level, index, TILE_WIDTH, found);
        if (hashes === null)
            return null;
        const expected = this.expected(level, index);
        if (expected?.isRight && !equalBytes(expected.root, tileRoot(hashes))) {
            mismatch(level, index, TILE_WIDTH, found);
            return null;
        }
        return { index, hashes, isRight: expected?.isRight ?? false };
    }
    expected(level, index) {
        const parent = this.#parents[level + 1];
        const offset = index % TILE_WIDTH;
        if (!parent || parent.index !== Math.floor(index / TILE_WIDTH) || (offset + 1) * 32 > parent.hashes.length)
            return null;
        return { root: parent.hashes.subarray(offset * 32, offset * 32 + 32), isRight: parent.isRight };
    }
    compareComputed(level, index, computed, found) {
        const parent = this.#parents[level];
        if (parent?.index === index && !parent.isRight && !equalBytes(parent.hashes, computed))
            mismatch(level, index, TILE_WIDTH, found);
    }
}
