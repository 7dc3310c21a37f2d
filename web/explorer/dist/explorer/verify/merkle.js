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
function checkHashes(what, hashes, most) {
    if (hashes.length > most)
        refuse("not-included", `the ${what} has ${hashes.length} hashes, more than ${most}`);
    if (hashes.some((hash) => hash.length !== 32))
        refuse("not-included", `a hash of the ${what} does not have 32 bytes`);
}
function checkGiven(hashes) {
    if (hashes.some((hash) => hash.length !== 32))
        refuse("not-included", "a hash to compare with does not have 32 bytes");
}
function checkRoot(computed, root) {
    if (!equalBytes(computed, root))
        refuse("not-included", "the proof leads to another root");
}
export function verifyInclusion(index, head, leaf, proof) {
    checkHashes("inclusion proof", proof, MAX_PROOF_HASHES);
    checkGiven([leaf, head.root]);
    if (index >= head.size || index < 0n)
        refuse("not-included", `index ${index} is not in a tree of size ${head.size}`);
    let fn = index;
    let sn = head.size - 1n;
    let r = leaf;
    for (const p of proof) {
        if (sn === 0n)
            refuse("not-included", "the inclusion proof is too long");
        if ((fn & 1n) === 1n || fn === sn) {
            r = nodeHash(p, r);
            while ((fn & 1n) === 0n && fn !== 0n) {
                fn >>= 1n;
                sn >>= 1n;
            }
        }
        else {
            r = nodeHash(r, p);
        }
        fn >>= 1n;
        sn >>= 1n;
    }
    if (sn !== 0n)
        refuse("not-included", "the inclusion proof is too short");
    checkRoot(r, head.root);
}
export function verifyConsistency(older, newer, proof) {
    checkHashes("consistency proof", proof, MAX_PROOF_HASHES + 1);
    checkGiven([older.root, newer.root]);
    if (older.size === 0n || older.size > newer.size) {
        refuse("not-included", `no consistency proof leads from size ${older.size} to ${newer.size}`);
    }
    if (older.size === newer.size) {
        if (proof.length > 0)
            refuse("not-included", "the consistency proof of equal sizes is not empty");
        return checkRoot(older.root, newer.root);
    }
    const isPower = (older.size & (older.size - 1n)) === 0n;
    const path = isPower ? [older.root, ...proof] : proof;
    if (proof.length === 0)
        refuse("not-included", "the consistency proof is empty");
    let fn = older.size - 1n;
    let sn = newer.size - 1n;
    while ((fn & 1n) === 1n) {
        fn >>= 1n;
        sn >>= 1n;
    }
    let fr = path[0];
    let sr = path[0];
    for (const c of path.slice(1)) {
        if (sn === 0n)
            refuse("not-included", "the consistency proof is too long");
        if ((fn & 1n) === 1n || fn === sn) {
            fr = nodeHash(c, fr);
            sr = nodeHash(c, sr);
            while ((fn & 1n) === 0n && fn !== 0n) {
                fn >>= 1n;
                sn >>= 1n;
            }
        }
        else {
            sr = nodeHash(sr, c);
        }
        fn >>= 1n;
        sn >>= 1n;
    }
    if (sn !== 0n)
        refuse("not-included", "the consistency proof is too short");
    checkRoot(fr, older.root);
    checkRoot(sr, newer.root);
}
function split(n) {
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
    checkHashes("left side of the range proof", left, MAX_PROOF_HASHES);
    checkHashes("right side of the range proof", right, MAX_PROOF_HASHES);
    checkGiven([head.root]);
    checkGiven(leaves);
    if (leaves.length === 0)
        refuse("not-included", "the range is empty");
    const end = first + BigInt(leaves.length);
    if (first < 0n || end > head.size)
        refuse("not-included", `the range ends at ${end}, the tree at ${head.size}`);
    const root = rangeRoot(first, end, leaves, head.size, left, right);
    checkRoot(root, head.root);
}
function rangeRoot(first, end, leaves, size, left, right) {
    let nextLeft = 0;
    let nextRight = right.length;
    const take = (side, at) => side[at] ?? refuse("not-included", "the range proof has too few hashes");
    const walk = (from, to) => {
        if (to <= first && isPerfect(to - from))
            return take(left, nextLeft++);
        if (from >= end)
            return take(right, --nextRight);
        if (to - from === 1n)
            return leaves[Number(from - first)];
        const middle = from + split(to - from);
        if (from >= first && to <= end)
            return nodeHash(walk(from, middle), walk(middle, to));
        if (middle >= end) {
            const rightHash = walk(middle, to);
            return nodeHash(walk(from, middle), rightHash);
        }
        const leftHash = walk(from, middle);
        return nodeHash(leftHash, walk(middle, to));
    };
    const root = walk(0n, size);
    if (nextLeft !== left.length || nextRight !== 0)
        refuse("not-included", "the range proof has too many hashes");
    return root;
}
const isPerfect = (size) => (size & (size - 1n)) === 0n;
export class CompactRange {
    hashes = new Uint8Array(54 * 32);
    held = 0;
    length = 0;
    constructor() { }
    static empty() {
        return new CompactRange();
    }
    static from(size, hashes) {
        const fits = size < 1n << 53n && hashes.length === perfectSizes(size).length && hashes.every((hash) => hash.length === 32);
        if (!fits)
            return null;
        const range = new CompactRange();
        hashes.forEach((hash, at) => range.hashes.set(hash, at * 32));
        range.held = hashes.length;
        range.length = Number(size);
        return range;
    }
    get size() {
        return BigInt(this.length);
    }
    push(leaf) {
        const { hashes } = this;
        hashes.set(leaf, this.held * 32);
        for (let rest = this.length; rest % 2 === 1; rest = (rest - 1) / 2) {
            this.held--;
            sha256Into(hashes, this.held * 32, 0x01, hashes, this.held * 32, this.held * 32 + 64);
        }
        this.held++;
        this.length++;
    }
    root() {
        if (this.held === 0)
            return EMPTY_ROOT;
        const at = (place) => this.hashes.subarray(place * 32, place * 32 + 32);
        let root = at(this.held - 1).slice();
        for (let place = this.held - 2; place >= 0; place--)
            root = nodeHash(at(place), root);
        return root;
    }
}
