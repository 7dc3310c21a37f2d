import { equalBytes } from "../bytes.js";
import { EMPTY_ROOT, nodeHash } from "../merkle.js";
import { sha256Into } from "../sha256.js";
import { TILE_LEVELS, TILE_WIDTH } from "../tile.js";
export const TILE_BYTES = TILE_WIDTH * 32;
const SCRATCH = new Uint8Array(TILE_BYTES);
function perfectRoot(hashes, from, count) {
    SCRATCH.set(hashes.subarray(from * 32, (from + count) * 32));
    for (let width = count; width > 1; width >>= 1) {
        for (let at = 0; at < width; at += 2)
            sha256Into(SCRATCH, at * 16, 0x01, SCRATCH, at * 32, at * 32 + 64);
    }
    return SCRATCH.slice(0, 32);
}
export const tileRoot = (hashes) => perfectRoot(hashes, 0, TILE_WIDTH);
export class RightEdge {
    size = 0;
    tiles = Array.from({ length: TILE_LEVELS }, () => ({ hashes: new Uint8Array(TILE_BYTES), width: 0 }));
    level(level) {
        const { hashes, width } = this.tiles[level];
        return hashes.subarray(0, width * 32);
    }
    setLeaves(leaves) {
        const tile = this.tiles[0];
        const width = leaves.length / 32;
        this.size += width - tile.width;
        tile.hashes.set(leaves);
        tile.width = width;
    }
    setLevel(level, hashes) {
        const tile = this.tiles[level];
        tile.hashes.set(hashes);
        tile.width = hashes.length / 32;
        this.size = this.tiles.reduceRight((size, one) => size * TILE_WIDTH + one.width, 0);
    }
    pushTile(root, onFull) {
        const leaves = this.tiles[0];
        this.size += TILE_WIDTH - leaves.width;
        leaves.width = 0;
        let hash = root;
        let span = TILE_WIDTH;
        for (let level = 1; level < TILE_LEVELS; level++) {
            const tile = this.tiles[level];
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
        this.tiles.forEach(({ hashes, width }, level) => {
            copy.tiles[level].hashes.set(hashes);
            copy.tiles[level].width = width;
        });
        copy.size = this.size;
        return copy;
    }
    root() {
        let root = null;
        for (const { hashes, width } of this.tiles) {
            for (let bit = 1, end = width; bit <= width; bit <<= 1) {
                if ((width & bit) === 0)
                    continue;
                end -= bit;
                const perfect = perfectRoot(hashes, end, bit);
                root = root === null ? perfect : nodeHash(perfect, root);
            }
        }
        return root ?? EMPTY_ROOT;
    }
    leadsTo(head) {
        return BigInt(this.size) === head.size && equalBytes(this.root(), head.root);
    }
}
