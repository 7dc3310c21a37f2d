import { equalBytes } from "../bytes.js";
import { EMPTY_ROOT, nodeHash } from "../merkle.js";
import { TILE_LEVELS, TILE_WIDTH } from "../tile.js";
import { batch, TILE_BYTES } from "./batch.js";
export const tileRoot = (hashes) => batch().root(hashes, 0, TILE_WIDTH);
export class RightEdge {
    constructor() {
        this.size = 0;
        this.#tiles = Array.from({ length: TILE_LEVELS }, () => ({ hashes: new Uint8Array(TILE_BYTES), width: 0 }));
    }
    #tiles;
    level(level) {
        const { hashes, width } = this.#tiles[level];
        return hashes.subarray(0, width * 32);
    }
    setLeaves(leaves) {
        const tile = this.#tiles[0];
        const width = leaves.length / 32;
        this.size += width - tile.width;
        tile.hashes.set(leaves);
        tile.width = width;
    }
    setLevel(level, hashes) {
        const tile = this.#tiles[level];
        tile.hashes.set(hashes);
        tile.width = hashes.length / 32;
        this.size = this.#tiles.reduceRight((size, one) => size * TILE_WIDTH + one.width, 0);
    }
    pushTile(root, onFull) {
        const leaves = this.#tiles[0];
        this.size += TILE_WIDTH - leaves.width;
        leaves.width = 0;
        let hash = root;
        let span = TILE_WIDTH;
        for (let level = 1; level < TILE_LEVELS; level++) {
            const tile = this.#tiles[level];
            tile.hashes.set(hash, tile.width++ * 32);
            if (tile.width < TILE_WIDTH)
                return;
            span *= TILE_WIDTH;
            onFull(level, this.size / span - 1, tile.hashes);
            hash = tileRoot(tile.hashes);
            tile.width = 0;
        }
    }
    clone() {
        const copy = new RightEdge();
        this.#tiles.forEach(({ hashes, width }, level) => {
            copy.#tiles[level].hashes.set(hashes);
            copy.#tiles[level].width = width;
        });
        copy.size = this.size;
        return copy;
    }
    root() {
        let root = null;
        for (const { hashes, width } of this.#tiles) {
            for (let bit = 1, end = width; bit <= width; bit <<= 1) {
                if ((width & bit) === 0)
                    continue;
                end -= bit;
                const perfect = batch().root(hashes, end, bit);
                root = root === null ? perfect : nodeHash(perfect, root);
            }
        }
        return root ?? EMPTY_ROOT;
    }
    leadsTo(head) {
        return BigInt(this.size) === head.size && equalBytes(this.root(), head.root);
    }
}
