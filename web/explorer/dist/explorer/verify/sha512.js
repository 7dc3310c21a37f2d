import { concat } from "./bytes.js";
import { BEGINNING, MASK, ROUNDS } from "./constants.js";
const rotate = (x, n) => (x >> n) | ((x << (64n - n)) & MASK);
export function sha512(...parts) {
    const message = concat(...parts);
    const padded = new Uint8Array(Math.ceil((message.length + 17) / 128) * 128);
    padded.set(message);
    padded[message.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n);
    const state = BEGINNING.slice();
    const w = new Array(80);
    for (let block = 0; block < padded.length; block += 128) {
        for (let i = 0; i < 16; i++)
            w[i] = view.getBigUint64(block + 8 * i);
        for (let i = 16; i < 80; i++) {
            const x = w[i - 15];
            const y = w[i - 2];
            const s0 = rotate(x, 1n) ^ rotate(x, 8n) ^ (x >> 7n);
            const s1 = rotate(y, 19n) ^ rotate(y, 61n) ^ (y >> 6n);
            w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & MASK;
        }
        let [a, b, c, d, e, f, g, last] = state;
        for (let i = 0; i < 80; i++) {
            const s1 = rotate(e, 14n) ^ rotate(e, 18n) ^ rotate(e, 41n);
            const t1 = last + s1 + ((e & f) ^ (~e & MASK & g)) + ROUNDS[i] + w[i];
            const s0 = rotate(a, 28n) ^ rotate(a, 34n) ^ rotate(a, 39n);
            const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
            last = g;
            g = f;
            f = e;
            e = (d + t1) & MASK;
            d = c;
            c = b;
            b = a;
            a = (t1 + t2) & MASK;
        }
        [a, b, c, d, e, f, g, last].forEach((word, i) => { state[i] = (state[i] + word) & MASK; });
    }
    const out = new Uint8Array(64);
    const words = new DataView(out.buffer);
    state.forEach((word, i) => words.setBigUint64(8 * i, word));
    return out;
}
