import { sha256Into } from "../sha256.js";
import { FREE_AT } from "../lanes.js";
import { streamLeafHash } from "../entry.js";
import { FRAME_BYTES, TILE_WIDTH } from "../tile.js";
export const TILE_BYTES = TILE_WIDTH * 32;
const MAX_BUNDLE_BYTES = 256 * 1024;
const SLACK = 256;
const FOLD_AT = FREE_AT;
const LEAVES_AT = FOLD_AT + TILE_BYTES + SLACK;
const STREAM_LEAVES_AT = LEAVES_AT + TILE_BYTES + SLACK;
const BUNDLE_AT = STREAM_LEAVES_AT + TILE_BYTES + SLACK;
export const END = BUNDLE_AT + MAX_BUNDLE_BYTES + SLACK;
export const STATEMENT_BYTES = 54;
export class Batch {
    constructor(lanes) {
        this.lanes = lanes;
        this.memory = lanes?.memory ?? new Uint8Array(END);
    }
    leaves(bundle, frames) {
        const { memory, lanes } = this;
        const { bounds, count } = frames;
        const isBatched = lanes !== null && bundle.length <= MAX_BUNDLE_BYTES;
        if (isBatched) {
            memory.set(bundle, BUNDLE_AT);
            inGroups(frames, LEAVES_AT, lanes.leaves);
        }
        for (let at = 0; at < count; at++) {
            const [from, to] = [bounds[at] + FRAME_BYTES, bounds[at + 1]];
            if (!isBatched || to - from !== STATEMENT_BYTES)
                sha256Into(memory, LEAVES_AT + at * 32, 0x00, bundle, from, to);
        }
        return memory.subarray(LEAVES_AT, LEAVES_AT + count * 32);
    }
    streamLeaves(bundle, frames) {
        const { memory, lanes } = this;
        const { bounds, count } = frames;
        if (lanes !== null && bundle.length <= MAX_BUNDLE_BYTES)
            inGroups(frames, STREAM_LEAVES_AT, lanes.streamLeaves);
        else {
            for (let at = 0; at < count; at++) {
                const entry = bundle.subarray(bounds[at] + FRAME_BYTES, bounds[at + 1]);
                if (entry.length === STATEMENT_BYTES)
                    memory.set(streamLeafHash(entry), STREAM_LEAVES_AT + at * 32);
            }
        }
        return memory.subarray(STREAM_LEAVES_AT, STREAM_LEAVES_AT + count * 32);
    }
    root(hashes, from, count) {
        this.memory.set(hashes.subarray(from * 32, (from + count) * 32), FOLD_AT);
        for (let width = count; width > 1; width >>= 1)
            this.fold(FOLD_AT, FOLD_AT, width >> 1);
        return this.memory.slice(FOLD_AT, FOLD_AT + 32);
    }
    append(roots, size, leaves, count) {
        const { memory } = this;
        let held = bitsOf(size);
        const rest = [];
        const first = FOLD_AT + 32;
        memory.set(leaves.subarray(0, count * 32), first);
        for (let nodes = count, below = size; nodes > 0; below = Math.floor(below / 2)) {
            let from = first;
            if (below % 2 === 1) {
                held--;
                memory.set(roots.subarray(held * 32, held * 32 + 32), FOLD_AT);
                from = FOLD_AT;
                nodes++;
            }
            if (nodes % 2 === 1)
                rest.push(memory.slice(from + (nodes - 1) * 32, from + nodes * 32));
            nodes >>= 1;
            this.fold(from, first, nodes);
        }
        for (const root of rest.reverse())
            roots.set(root, held++ * 32);
        return held;
    }
    fold(from, to, pairs) {
        const { memory, lanes } = this;
        if (lanes !== null)
            for (let at = 0; at < pairs; at += 4)
                lanes.pairs(from + at * 64, to + at * 32);
        else
            for (let at = 0; at < pairs; at++)
                sha256Into(memory, to + at * 32, 0x01, memory, from + at * 64, from + at * 64 + 64);
    }
}
function inGroups({ bounds, count }, out, hash) {
    let held = 0;
    let [a, b, c, d] = [0, 0, 0, 0];
    const frame = (at) => BUNDLE_AT + bounds[at];
    for (let at = 0; at < count; at++) {
        if (bounds[at + 1] - bounds[at] !== FRAME_BYTES + STATEMENT_BYTES)
            continue;
        if (held === 0)
            a = b = c = d = at;
        else if (held === 1)
            b = c = d = at;
        else if (held === 2)
            c = d = at;
        else
            d = at;
        if (++held < 4)
            continue;
        held = 0;
        hash(frame(a), frame(b), frame(c), frame(d), out + a * 32, out + b * 32, out + c * 32, out + d * 32);
    }
    if (held > 0)
        hash(frame(a), frame(b), frame(c), frame(d), out + a * 32, out + b * 32, out + c * 32, out + d * 32);
}
function bitsOf(size) {
    let bits = 0;
    for (let rest = size; rest > 0; rest = Math.floor(rest / 2))
        bits += rest % 2;
    return bits;
}
let shared = new Batch(null);
export const batch = () => shared;
export function share(batch) {
    shared = batch;
}
