import { equalBytes } from "./bytes.js";
import { refuse } from "./errors.js";
import { sha256, sha256Into } from "./sha256.js";
export const MAX_PROOF_HASHES = 64;
export const EMPTY_ROOT = sha256(new Uint8Array(0));
export function leafHash(entry) {
    const out = new Uint8Array(32);
    sha256Into(out, 0, 0x00, entry, 0, entry.length);
    return out;
}
const PAIR = new Uint8Array(64);
export function nodeHash(left, right) {
    PAIR.set(left, 0);
    PAIR.set(right, 32);
    const out = new Uint8Array(32);
    sha256Into(out, 0, 0x01, PAIR, 0, 64);
    return out;
}
const no = (why) => refuse("not-included", why);
function checkHashes(what, proof, most, ...others) {
    if (proof.length > most)
        no(`the ${what} has more than ${most} hashes`);
    if ([...proof, ...others].some((hash) => hash.length !== 32))
        no(`a hash of the ${what}, or to compare it with, does not have 32 bytes`);
}
export function verifySubtree(what, start, end, hash, head, proof) {
    const fails = (why) => no(`the ${what} ${why}`);
    let [fn, sn, tn] = [start, end - 1n, head.size - 1n];
    const shift = () => {
        fn >>= 1n;
        sn >>= 1n;
        tn >>= 1n;
    };
    if (sn === tn)
        while (fn !== sn)
            shift();
    else
        while (fn !== sn && (sn & 1n) === 1n)
            shift();
    let rest = proof;
    let fr = hash;
    if (fn !== sn) {
        fr = rest[0] ?? fails("is empty");
        rest = rest.slice(1);
    }
    let sr = fr;
    for (const c of rest) {
        if (tn === 0n)
            fails("is too long");
        if ((sn & 1n) === 1n || sn === tn) {
            if (fn < sn)
                fr = nodeHash(c, fr);
            sr = nodeHash(c, sr);
            while ((sn & 1n) === 0n && sn !== 0n)
                shift();
        }
        else {
            sr = nodeHash(sr, c);
        }
        shift();
    }
    if (tn !== 0n)
        fails("is too short");
    if (!equalBytes(fr, hash) || !equalBytes(sr, head.root))
        fails("leads to another root");
}
export function verifyInclusion(index, head, leaf, proof) {
    checkHashes("inclusion proof", proof, MAX_PROOF_HASHES, leaf, head.root);
    if (index >= head.size || index < 0n)
        no(`index ${index} is not in a tree of size ${head.size}`);
    verifySubtree("inclusion proof", index, index + 1n, leaf, head, proof);
}
export function verifyConsistency(older, newer, proof) {
    checkHashes("consistency proof", proof, MAX_PROOF_HASHES + 1, older.root, newer.root);
    if (older.size === 0n || older.size > newer.size)
        no(`no consistency proof leads from size ${older.size} to ${newer.size}`);
    verifySubtree("consistency proof", 0n, older.size, older.root, newer, proof);
}
export function split(n) {
    return 1n << BigInt((n - 1n).toString(2).length - 1);
}
export function perfectSizes(size) {
    const sizes = [];
    for (let bit = 63n; bit >= 0n; bit--)
        if ((size >> bit) & 1n)
            sizes.push(1n << bit);
    return sizes;
}
export function verifyRange(first, leaves, head, left, right) {
    checkHashes("left side of the range proof", left, MAX_PROOF_HASHES, head.root);
    checkHashes("right side of the range proof", right, MAX_PROOF_HASHES);
    checkHashes("range", leaves, Infinity);
    if (leaves.length === 0)
        no("the range is empty");
    const end = first + BigInt(leaves.length);
    if (first < 0n || end > head.size)
        no(`the range ends at ${end}, the tree at ${head.size}`);
    const root = rangeRoot(first, end, leaves, head.size, left, right);
    if (!equalBytes(root, head.root))
        no("the range proof leads to another root");
}
function rangeRoot(first, end, leaves, size, left, right) {
    let [nextLeft, nextRight] = [0, 0];
    const tooFew = () => no("the range proof has too few hashes");
    const walk = (from, to) => {
        if (to <= first && isPerfect(to - from))
            return left[nextLeft++] ?? tooFew();
        if (from >= end)
            return right[nextRight++] ?? tooFew();
        if (to - from === 1n)
            return leaves[Number(from - first)];
        const middle = from + split(to - from);
        const leftHash = walk(from, middle);
        return nodeHash(leftHash, walk(middle, to));
    };
    const root = walk(0n, size);
    if (nextLeft !== left.length || nextRight !== right.length)
        no("the range proof has too many hashes");
    return root;
}
const isPerfect = (size) => (size & (size - 1n)) === 0n;
export class CompactRange {
    #hashes = new Uint8Array(54 * 32);
    #held = 0;
    #length = 0;
    static from(size, hashes) {
        const fits = size < 1n << 53n && hashes.length === perfectSizes(size).length && hashes.every((hash) => hash.length === 32);
        if (!fits)
            return null;
        const range = new CompactRange();
        hashes.forEach((hash, at) => range.#hashes.set(hash, at * 32));
        range.#held = hashes.length;
        range.#length = Number(size);
        return range;
    }
    get size() {
        return BigInt(this.#length);
    }
    push(leaf) {
        const hashes = this.#hashes;
        hashes.set(leaf, this.#held * 32);
        for (let rest = this.#length; rest % 2 === 1; rest = (rest - 1) / 2) {
            this.#held--;
            sha256Into(hashes, this.#held * 32, 0x01, hashes, this.#held * 32, this.#held * 32 + 64);
        }
        this.#held++;
        this.#length++;
    }
    root() {
        return rootOver(this.#hashes, this.#held);
    }
}
export function rootOver(hashes, held) {
    if (held === 0)
        return EMPTY_ROOT;
    const at = (place) => hashes.subarray(place * 32, place * 32 + 32);
    let root = at(held - 1).slice();
    for (let place = held - 2; place >= 0; place--)
        root = nodeHash(at(place), root);
    return root;
}
