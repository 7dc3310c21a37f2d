import { compareBundle } from "../bundle_fault.js";
import { equalBytes } from "../bytes.js";
import { tryDecodeEntry } from "../entry.js";
import { leafHash, EMPTY_ROOT } from "../merkle.js";
import { formatTilePath, FRAME_BYTES, partialTiles, readEntries, readFrames, TILE_WIDTH } from "../tile.js";
import { batch } from "./batch.js";
import { RightEdge, tileRoot } from "./edge.js";
import { mismatch, readTile } from "./tiles.js";
const MAX_WRONG_BUNDLES = 1024;
export class Walk {
    #shifted;
    #isTreeLost;
    #wrong;
    constructor(head, tiles, found, rulesFor, onEntry) {
        this.head = head;
        this.tiles = tiles;
        this.found = found;
        this.rulesFor = rulesFor;
        this.onEntry = onEntry;
        this.grown = new RightEdge();
        this.rules = null;
        this.entries = 0;
        this.pruning = null;
        this.unchecked = 0;
        this.comparedTiles = 0;
        this.readTogether = 0;
        this.isDoubtful = false;
        this.#shifted = null;
        this.#isTreeLost = false;
        this.#wrong = 0;
    }
    async take(fetched) {
        this.tiles.enter(fetched.bundle, fetched.parents, this.found);
        const isReadAgain = this.isDoubtful && fetched.tile.is === "unread";
        const isKnown = (!isReadAgain && (await this.#takeSound(fetched))) || (await this.#takeDoubtful(fetched));
        this.#wrong = isKnown ? 0 : this.#wrong + 1;
    }
    async #takeDoubtful(fetched) {
        if (fetched.tile.is !== "unread")
            return this.#takeApart(fetched);
        this.isDoubtful = true;
        const { entries, tile } = await fetched.tile.read();
        const whole = { ...fetched, entries, tile: { is: "read", bytes: tile } };
        return (await this.#takeSound(whole)) || this.#takeApart(whole);
    }
    givesUp({ bundle, width }) {
        const bundles = Math.ceil(Number(this.head.size) / TILE_WIDTH);
        if (this.#wrong < MAX_WRONG_BUNDLES || bundle + 1 >= bundles)
            return false;
        this.#isTreeLost = true;
        this.#blameAbsence(bundle + 1, width, `the ${MAX_WRONG_BUNDLES} bundles before it are missing or wrong, so the rest was not asked for`);
        return true;
    }
    async #takeSound(fetched) {
        if (fetched.entries === null)
            return false;
        const frames = readFrames(fetched.entries, fetched.width);
        if (frames.count !== fetched.width || frames.rest)
            return false;
        const { tile, bundle } = fetched;
        const leaves = batch().leaves(fetched.entries, frames);
        if (tile.is === "partial") {
            const partial = this.tiles.partial(0);
            if (partial === null || !equalBytes(partial, leaves))
                return false;
            this.grown.setLeaves(leaves);
            await this.#feed(bundle, frames, fetched.entries);
            return true;
        }
        const expected = this.tiles.expected(0, bundle);
        if (tile.is === "unread" && !expected?.isRight)
            return false;
        if (tile.is === "read" && (tile.bytes === null || !equalBytes(tile.bytes, leaves)))
            return false;
        const root = tileRoot(leaves);
        if (expected !== null && !equalBytes(expected.root, root))
            return false;
        if (tile.is === "read")
            this.comparedTiles++;
        if (tile.is === "unread" && tile.cameTogether)
            this.readTogether++;
        await this.#feed(bundle, frames, fetched.entries);
        this.#pushTile(root);
        return true;
    }
    #pushTile(root) {
        this.grown.pushTile(root, (level, index, hashes) => this.tiles.compareComputed(level, index, hashes, this.found));
    }
    #grow(leaves) {
        if (leaves.length === TILE_WIDTH * 32)
            this.#pushTile(tileRoot(leaves));
        else
            this.grown.setLeaves(leaves);
    }
    async #feed(bundle, frames, bytes) {
        const leaves = this.rules === null ? null : new Int32Array(batch().streamLeaves(bytes, frames).slice().buffer);
        const { bounds, count } = frames;
        for (let at = 0; at < count; at++) {
            const pending = this.#feedOne(bundle * TILE_WIDTH + at, bytes, bounds[at] + FRAME_BYTES, bounds[at + 1], leaves);
            if (pending !== undefined)
                await pending;
        }
    }
    #feedOne(index, bytes, from, to, leaves) {
        this.entries++;
        if (index === 0)
            this.rules = this.rulesFor(tryDecodeEntry(bytes.subarray(from, to))?.kind === "genesis");
        const { rules } = this;
        if (rules !== null && !rules.takeStatement(index, bytes, from, to, leaves)) {
            const pending = rules.entry(index, bytes.subarray(from, to));
            if (pending !== undefined)
                return pending.then(() => this.onEntry?.(index, bytes, from, to));
        }
        this.onEntry?.(index, bytes, from, to);
    }
    async #takeApart(fetched) {
        const { bundle, width, found } = { ...fetched, found: this.found };
        const frames = fetched.entries === null ? null : readFrames(fetched.entries, width);
        const isWhole = frames !== null && frames.count === width && !frames.rest;
        const leaves = isWhole ? batch().leaves(fetched.entries, frames).slice() : null;
        const isPartial = fetched.tile.is === "partial";
        const tile = fetched.tile.is === "read" ? readTile(fetched.tile.bytes, 0, bundle, width, found) : this.tiles.partial(0);
        const expected = isPartial ? null : this.tiles.expected(0, bundle);
        const truth = isPartial ? this.#judgePartial(leaves, tile) : judge(leaves, tile, expected);
        const isProven = tile !== null && expected !== null && expected.isRight && equalBytes(expected.root, tileRoot(tile));
        let isKnown = truth.is === "entries" || isProven;
        if (truth.is === "entries") {
            if (!isPartial && tile !== null && !equalBytes(tile, leaves))
                mismatch(0, bundle, width, found);
            await this.#feedThoseOf(fetched, leaves);
            this.#grow(leaves);
        }
        else if (truth.is === "tile") {
            if (this.#passPruned(fetched)) {
                isKnown = true;
            }
            else {
                this.#blameEntries(fetched, tile);
                await this.#feedThoseOf(fetched, tile);
            }
            this.#grow(tile);
        }
        else if (truth.is === "parent") {
            this.#blameBoth(fetched, tile !== null);
            this.#pushTile(truth.root);
        }
        else {
            this.#blameBoth(fetched, false);
            this.#isTreeLost = true;
            const nothing = new Uint8Array(width * 32);
            for (let at = 0; at < width; at++)
                nothing.set(EMPTY_ROOT, at * 32);
            this.#grow(nothing);
        }
        return isKnown;
    }
    #judgePartial(leaves, tile) {
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
    #passPruned({ bundle, entries }) {
        const end = (bundle + 1) * TILE_WIDTH;
        if (entries !== null || bundle === 0 || BigInt(end) > (this.pruning?.minimum ?? 0n))
            return false;
        this.unchecked += TILE_WIDTH;
        this.rules?.passPruned(end);
        return true;
    }
    #blameEntries({ bundle, width, entries: bytes }, tree) {
        if (bytes === null)
            return this.#blameAbsence(bundle, width, "the bundle is not served");
        const hashes = split(tree);
        const { entries, rest } = readEntries(bytes, hashes.length + 1);
        const fault = compareBundle(hashes, entries.map(leafHash), rest);
        if (fault === null)
            return;
        if (this.#shifted !== null && this.#shifted.kind === fault.kind && fault.at === 0)
            return this.found.follows(this.#shifted.cause);
        const place = { ...placeOfBundle(bundle, width), entry: BigInt(bundle * TILE_WIDTH + fault.at) };
        const cause = this.found.add(fault.kind, place, "the bundle does not hold the entries of the signed tree");
        const moves = fault.kind === "removed-entry" || fault.kind === "inserted-entry";
        this.#shifted = moves ? { kind: fault.kind, cause } : null;
        this.#lose(cause);
    }
    #lose(cause) {
        this.rules?.lose(cause);
    }
    #blameAbsence(bundle, width, words) {
        this.#lose(this.found.add("missing-bundle", placeOfBundle(bundle, width), words));
    }
    #blameBoth({ bundle, width, entries }, hasTile) {
        if (hasTile)
            return this.#lose(mismatch(0, bundle, TILE_WIDTH, this.found));
        if (entries === null)
            return this.#blameAbsence(bundle, width, "the bundle is not served");
        const words = "the entries do not lead to the signed root";
        this.#lose(this.found.add("altered-entry", placeOfBundle(bundle, width), words));
    }
    async #feedThoseOf({ bundle, entries: bytes }, tree) {
        if (bytes === null)
            return;
        const hashes = split(tree);
        const { entries } = readEntries(bytes, hashes.length);
        for (const [at, entry] of entries.entries()) {
            const isTheTrees = equalBytes(leafHash(entry), hashes[at]);
            if (isTheTrees)
                await this.#feedOne(bundle * TILE_WIDTH + at, entry, 0, entry.length, null);
            else
                this.entries++;
        }
    }
    finish() {
        if (!this.#isTreeLost)
            this.#compareRoot();
        this.rules?.findSilence();
    }
    #compareRoot() {
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
        return !this.#isTreeLost && !this.found.hasTreeFault;
    }
}
const placeOfBundle = (bundle, width) => ({ tile: formatTilePath({ level: "entries", index: BigInt(bundle), width }) });
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
