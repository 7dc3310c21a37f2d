import { Log } from "./audit/log.js";
import { Nodes } from "./audit/nodes.js";
import { prefixRoot } from "./audit/prefix.js";
import { refuse } from "./errors.js";
import { leafHash, verifyInclusion, verifyRange } from "./merkle.js";
import { parseBundle, TILE_WIDTH, tileWidth } from "./tile.js";
export class Prover {
    #log;
    #nodes;
    constructor(log, head) {
        this.head = head;
        this.#log = log instanceof Log ? log : new Log(log);
        this.#nodes = new Nodes(this.#log, head.size);
    }
    async entry(index) {
        if (index < 0n || index >= this.head.size)
            refuse("not-included", `the tree has ${this.head.size} entries, and none with index ${index}`);
        const entries = await this.bundle(index / BigInt(TILE_WIDTH));
        const entry = entries[Number(index % BigInt(TILE_WIDTH))];
        const leaf = leafHash(entry);
        return { index, bytes: entry, leaf, path: await this.#path(index, leaf) };
    }
    async bundle(bundle) {
        const width = tileWidth(0, bundle, this.head.size);
        if (width === 0)
            refuse("no-entry", `the tree has no bundle ${bundle}`);
        const bytes = await this.#log.bundle(Number(bundle), width);
        if (bytes === null)
            refuse("no-entry", `the log does not serve bundle ${bundle}`);
        return parseBundle(bytes, width) ?? refuse("format", `bundle ${bundle} does not hold ${width} entries`);
    }
    async #path(index, leaf) {
        const path = await this.#nodes.inclusion(index);
        if (path === null)
            refuse("not-included", "the log does not serve the tiles of the proof");
        verifyInclusion(index, this.head, leaf, path.map(({ hash }) => hash));
        return path;
    }
    async run(first, entries) {
        const end = first + BigInt(entries.length);
        if (entries.length === 0 || first < 0n || end > this.head.size)
            refuse("not-included", "the range is not one of the tree");
        const around = await this.#nodes.around(first, end) ?? refuse("no-entry", "the log does not serve the tiles of the proof");
        verifyRange(first, entries.map(leafHash), this.head, around.left, around.right);
        return { first, entries, ...around };
    }
    async rootAt(size) {
        if (size <= 0n || size > this.head.size)
            return null;
        return size === this.head.size ? this.head.root : prefixRoot(this.#log, size, this.head);
    }
}
