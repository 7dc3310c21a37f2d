import { BEGINNING, firstHalves, ROUNDS } from "./constants.js";
export const K = firstHalves(ROUNDS.slice(0, 64));
const W = new Int32Array(64);
const H = new Int32Array(8);
const BLOCK = new Uint8Array(128);
const LENGTH = new DataView(BLOCK.buffer);
export const START = firstHalves(BEGINNING);
function reset() {
    for (let i = 0; i < 8; i++)
        H[i] = START[i];
}
const S0 = (x) => ((x >>> 2) | (x << 30)) ^ ((x >>> 13) | (x << 19)) ^ ((x >>> 22) | (x << 10));
const S1 = (x) => ((x >>> 6) | (x << 26)) ^ ((x >>> 11) | (x << 21)) ^ ((x >>> 25) | (x << 7));
function compress(bytes, at) {
    for (let i = 0; i < 16; i++, at += 4) {
        W[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let i = 16; i < 64; i++) {
        const x = W[i - 15];
        const y = W[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        W[i] = (W[i - 16] + s0 + W[i - 7] + s1) | 0;
    }
    let a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
    for (let i = 0; i < 64; i += 8) {
        h = (h + S1(e) + (g ^ (e & (f ^ g))) + K[i] + W[i]) | 0;
        d = (d + h) | 0;
        h = (h + S0(a) + ((a & b) | (c & (a | b)))) | 0;
        g = (g + S1(d) + (f ^ (d & (e ^ f))) + K[i + 1] + W[i + 1]) | 0;
        c = (c + g) | 0;
        g = (g + S0(h) + ((h & a) | (b & (h | a)))) | 0;
        f = (f + S1(c) + (e ^ (c & (d ^ e))) + K[i + 2] + W[i + 2]) | 0;
        b = (b + f) | 0;
        f = (f + S0(g) + ((g & h) | (a & (g | h)))) | 0;
        e = (e + S1(b) + (d ^ (b & (c ^ d))) + K[i + 3] + W[i + 3]) | 0;
        a = (a + e) | 0;
        e = (e + S0(f) + ((f & g) | (h & (f | g)))) | 0;
        d = (d + S1(a) + (c ^ (a & (b ^ c))) + K[i + 4] + W[i + 4]) | 0;
        h = (h + d) | 0;
        d = (d + S0(e) + ((e & f) | (g & (e | f)))) | 0;
        c = (c + S1(h) + (b ^ (h & (a ^ b))) + K[i + 5] + W[i + 5]) | 0;
        g = (g + c) | 0;
        c = (c + S0(d) + ((d & e) | (f & (d | e)))) | 0;
        b = (b + S1(g) + (a ^ (g & (h ^ a))) + K[i + 6] + W[i + 6]) | 0;
        f = (f + b) | 0;
        b = (b + S0(c) + ((c & d) | (e & (c | d)))) | 0;
        a = (a + S1(f) + (h ^ (f & (g ^ h))) + K[i + 7] + W[i + 7]) | 0;
        e = (e + a) | 0;
        a = (a + S0(b) + ((b & c) | (d & (b | c)))) | 0;
    }
    H[0] = (H[0] + a) | 0;
    H[1] = (H[1] + b) | 0;
    H[2] = (H[2] + c) | 0;
    H[3] = (H[3] + d) | 0;
    H[4] = (H[4] + e) | 0;
    H[5] = (H[5] + f) | 0;
    H[6] = (H[6] + g) | 0;
    H[7] = (H[7] + h) | 0;
}
function finish(out, at) {
    for (let i = 0; i < 8; i++, at += 4) {
        const word = H[i];
        out[at] = word >>> 24;
        out[at + 1] = word >>> 16;
        out[at + 2] = word >>> 8;
        out[at + 3] = word;
    }
}
function pad(rest, total) {
    BLOCK[rest] = 0x80;
    const end = rest < 56 ? 64 : 128;
    BLOCK.fill(0, rest + 1, end - 8);
    LENGTH.setUint32(end - 8, total / 0x20000000);
    LENGTH.setUint32(end - 4, total << 3);
    compress(BLOCK, 0);
    if (end === 128)
        compress(BLOCK, 64);
}
export function sha256Into(out, at, prefix, bytes, from, to) {
    reset();
    const length = to - from;
    let next = from;
    let total = length;
    let held = 0;
    if (prefix >= 0) {
        BLOCK[0] = prefix;
        held = 1;
        total += 1;
        if (length >= 63) {
            BLOCK.set(bytes.subarray(next, next + 63), 1);
            compress(BLOCK, 0);
            next += 63;
            held = 0;
        }
    }
    for (; next + 64 <= to && held === 0; next += 64)
        compress(bytes, next);
    for (let i = next; i < to; i++)
        BLOCK[held++] = bytes[i];
    pad(held, total);
    finish(out, at);
}
export function sha256(bytes) {
    const out = new Uint8Array(32);
    sha256Into(out, 0, -1, bytes, 0, bytes.length);
    return out;
}
