import { compareBundle } from "../bundle_fault.js";
import { equalBytes } from "../bytes.js";
import { tryDecodeEntry } from "../entry.js";
import { EMPTY_ROOT } from "../merkle.js";
import { sha256Into } from "../sha256.js";
import { formatTilePath, partialTiles, readEntries, TILE_WIDTH } from "../tile.js";
import { RightEdge, tileRoot } from "./edge.js";
import { mismatch, readTile } from "./tiles.js";
const MAX_WRONG_BUNDLES = 1024;
export class Walk {
    head;
    tiles;
    found;
    rulesFor;
    onEntry;
    grown = new RightEdge();
    rules = null;
    entries = 0;
    leaves = new Uint8Array(TILE_WIDTH * 32);
    shifted = null;
    isTreeLost = false;
    wrong = 0;
    constructor(head, tiles, found, rulesFor, onEntry) {
        this.head = head;
        this.tiles = tiles;
        this.found = found;
        this.rulesFor = rulesFor;
        this.onEntry = onEntry;
    }
    async take(fetched) {
        this.tiles.enter(fetched.bundle, fetched.parents, this.found);
        const isKnown = (await this.takeSound(fetched)) || (await this.takeApart(fetched));
        this.wrong = isKnown ? 0 : this.wrong + 1;
    }
    givesUp({ bundle, width }) {
        const bundles = Math.ceil(Number(this.head.size) / TILE_WIDTH);
        if (this.wrong < MAX_WRONG_BUNDLES || bundle + 1 >= bundles)
            return false;
        this.isTreeLost = true;
        this.blameAbsence(bundle + 1, width, `the ${MAX_WRONG_BUNDLES} bundles before it are missing or wrong, so the rest was not asked for`);
        return true;
    }
    async takeSound(fetched) {
        if (fetched.entries === null)
            return false;
        const { entries, rest } = readEntries(fetched.entries, fetched.width);
        if (entries.length !== fetched.width || rest)
            return false;
        const leaves = this.hash(entries);
        const { tile, bundle } = fetched;
        if (tile === null) {
            const partial = this.tiles.partial(0);
            if (partial === null || !equalBytes(partial, leaves))
                return false;
            await this.feed(bundle, entries);
            this.grown.setLeaves(leaves);
            return true;
        }
        if (tile.bytes === null || !equalBytes(tile.bytes, leaves))
            return false;
        const root = tileRoot(leaves);
        const expected = this.tiles.expected(0, bundle);
        if (expected !== null && !equalBytes(expected.root, root))
            return false;
        await this.feed(bundle, entries);
        this.pushTile(root);
        return true;
    }
    hash(entries) {
        entries.forEach((entry, at) => sha256Into(this.leaves, at * 32, 0x00, entry, 0, entry.length));
        return this.leaves.subarray(0, entries.length * 32);
    }
    pushTile(root) {
        this.grown.pushTile(root, (level, index, hashes) => this.tiles.compareComputed(level, index, hashes, this.found));
    }
    grow(leaves) {
        if (leaves.length === TILE_WIDTH * 32)
            this.pushTile(tileRoot(leaves));
        else
            this.grown.setLeaves(leaves);
    }
    async feed(bundle, entries) {
        let index = bundle * TILE_WIDTH;
        this.entries += entries.length;
        for (const entry of entries) {
            if (entry !== null) {
                if (index === 0)
                    this.rules = this.rulesFor(tryDecodeEntry(entry)?.kind === "genesis");
                const pending = this.rules?.entry(index, entry);
                if (pending !== undefined)
                    await pending;
                this.onEntry?.(index, entry);
            }
            index++;
        }
    }
    async takeApart(fetched) {
        const { bundle, width, found } = { ...fetched, found: this.found };
        const read = fetched.entries === null ? null : readEntries(fetched.entries, width);
        const isWhole = read !== null && read.entries.length === width && !read.rest;
        const leaves = isWhole ? this.hash(read.entries).slice() : null;
        const isPartial = fetched.tile === null;
        const tile = isPartial ? this.tiles.partial(0) : readTile(fetched.tile.bytes, 0, bundle, width, found);
        const expected = isPartial ? null : this.tiles.expected(0, bundle);
        const truth = isPartial ? this.judgePartial(leaves, tile) : judge(leaves, tile, expected);
        const isProven = tile !== null && expected !== null && expected.isRight && equalBytes(expected.root, tileRoot(tile));
        const isKnown = truth.is === "entries" || isProven;
        if (truth.is === "entries") {
            if (!isPartial && tile !== null && !equalBytes(tile, leaves))
                mismatch(0, bundle, width, found);
            await this.feedThoseOf(fetched, leaves);
            this.grow(leaves);
        }
        else if (truth.is === "tile") {
            this.blameEntries(fetched, tile);
            await this.feedThoseOf(fetched, tile);
            this.grow(tile);
        }
        else if (truth.is === "parent") {
            this.blameBoth(fetched, tile !== null);
            this.pushTile(truth.root);
        }
        else {
            this.blameBoth(fetched, false);
            this.isTreeLost = true;
            const nothing = new Uint8Array(width * 32);
            for (let at = 0; at < width; at++)
                nothing.set(EMPTY_ROOT, at * 32);
            this.grow(nothing);
        }
        return isKnown;
    }
    judgePartial(leaves, tile) {
        if (tile === null)
            return { is: leaves === null ? "unknown" : "entries" };
        if (leaves === null)
            return { is: "tile" };
        if (equalBytes(leaves, tile))
            return { is: "entries" };
        if (this.tiles.isEdgeRight)
            return { is: "tile" };
        const grown = this.grown.clone();
        grown.setLeaves(leaves);
        return { is: grown.leadsTo(this.head) ? "entries" : "tile" };
    }
    blameEntries({ bundle, width, entries: bytes }, tree) {
        if (bytes === null)
            return this.blameAbsence(bundle, width, "the bundle is not served");
        const hashes = split(tree);
        const { entries, rest } = readEntries(bytes, hashes.length + 1);
        const fault = compareBundle(hashes, entries.map((entry) => hashOf(entry)), rest);
        if (fault === null)
            return;
        if (this.shifted !== null && this.shifted.kind === fault.kind && fault.at === 0)
            return this.found.follows(this.shifted.cause);
        const place = { ...placeOfBundle(bundle, width), entry: BigInt(bundle * TILE_WIDTH + fault.at) };
        const cause = this.found.add(fault.kind, place, "the bundle does not hold the entries of the signed tree");
        const moves = fault.kind === "removed-entry" || fault.kind === "inserted-entry";
        this.shifted = moves ? { kind: fault.kind, cause } : null;
        this.lose(cause);
    }
    lose(cause) {
        this.rules?.lose(cause);
    }
    blameAbsence(bundle, width, words) {
        this.lose(this.found.add("missing-bundle", placeOfBundle(bundle, width), words));
    }
    blameBoth({ bundle, width, entries }, hasTile) {
        if (hasTile)
            return this.lose(mismatch(0, bundle, TILE_WIDTH, this.found));
        if (entries === null)
            return this.blameAbsence(bundle, width, "the bundle is not served");
        const words = "the entries do not lead to the signed root";
        this.lose(this.found.add("altered-entry", placeOfBundle(bundle, width), words));
    }
    feedThoseOf({ bundle, entries: bytes }, tree) {
        if (bytes === null)
            return Promise.resolve();
        const hashes = split(tree);
        const { entries } = readEntries(bytes, hashes.length);
        return this.feed(bundle, entries.map((entry, at) => (equalBytes(hashOf(entry), hashes[at]) ? entry : null)));
    }
    finish() {
        if (!this.isTreeLost)
            this.compareRoot();
        this.rules?.findSilence();
    }
    compareRoot() {
        const isSigned = this.grown.leadsTo(this.head);
        if (isSigned && this.tiles.isEdgeRight)
            return;
        const wasSound = this.isTreeSound;
        for (const { level, index, width } of partialTiles(this.head.size)) {
            const served = this.tiles.partial(level);
            if (served !== null && !equalBytes(served, this.grown.level(level)))
                mismatch(level, Number(index), width, this.found);
        }
        if (!isSigned && wasSound && this.isTreeSound) {
            this.found.add("wrong-root", { checkpoint: this.head.size }, "the entries lead to another root than the log signed");
        }
    }
    get isTreeSound() {
        return !this.isTreeLost && !this.found.hasTreeFault;
    }
}
const placeOfBundle = (bundle, width) => ({ tile: formatTilePath({ level: "entries", index: BigInt(bundle), width }) });
function hashOf(entry) {
    const out = new Uint8Array(32);
    sha256Into(out, 0, 0x00, entry, 0, entry.length);
    return out;
}
const split = (hashes) => Array.from({ length: hashes.length / 32 }, (_, at) => hashes.subarray(at * 32, at * 32 + 32));
function judge(leaves, tile, expected) {
    const isExpected = (hashes) => hashes !== null && expected !== null && equalBytes(expected.root, tileRoot(hashes));
    if (isExpected(leaves))
        return { is: "entries" };
    if (isExpected(tile))
        return { is: "tile" };
    if (expected?.isRight)
        return { is: "parent", root: expected.root };
    if (leaves !== null && tile !== null)
        return { is: equalBytes(leaves, tile) ? "entries" : "tile" };
    if (tile !== null)
        return { is: "tile" };
    if (leaves !== null)
        return { is: "entries" };
    return expected === null ? { is: "unknown" } : { is: "parent", root: expected.root };
}
