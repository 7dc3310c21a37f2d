import { FREE_AT } from "./lanes.js";
import { K, START } from "./sha256.js";
import { add, address, and, call, encodeModule, get, load, loadLane, or, select, set, shiftLeft, shiftRight, shuffle, splat, store, xor } from "./wasm.js";
const STATE_AT = 1024;
const WORDS_AT = STATE_AT + 8 * 16;
const PAGE = 65_536;
const ENTRY_BYTES = 54;
const FRAME_BYTES = 2;
const STATED_AT = 18;
const rotate = (value, bits) => or(shiftRight(value, bits), shiftLeft(value, 32 - bits));
function compression() {
    const code = [];
    const zero = address(0);
    for (let word = 0; word < 16; word++)
        code.push(set(word, load(zero, WORDS_AT + 16 * word)));
    for (let at = 0; at < 8; at++)
        code.push(set(16 + at, load(zero, STATE_AT + 16 * at)));
    const [SUM, DIFFERENCE] = [24, 25];
    for (let round = 0; round < 64; round++) {
        const w = (back) => get((round + 16 - back) % 16);
        if (round >= 16) {
            const s0 = xor(xor(rotate(w(15), 7), rotate(w(15), 18)), shiftRight(w(15), 3));
            const s1 = xor(xor(rotate(w(2), 17), rotate(w(2), 19)), shiftRight(w(2), 10));
            code.push(set(round % 16, add(w(16), s0, w(7), s1)));
        }
        const local = (at) => 16 + ((at - round + 64) % 8);
        const [a, b, c, , e, f, g, h] = Array.from({ length: 8 }, (_, at) => get(local(at)));
        const big1 = xor(xor(rotate(e, 6), rotate(e, 11)), rotate(e, 25));
        const big0 = xor(xor(rotate(a, 2), rotate(a, 13)), rotate(a, 22));
        code.push(set(SUM, add(h, big1, select(f, g, e), splat(K[round]), get(round % 16))));
        code.push(set(local(3), add(get(local(3)), get(SUM))));
        code.push(set(DIFFERENCE, xor(a, b)));
        code.push(set(local(7), add(get(SUM), big0, select(c, b, get(DIFFERENCE)))));
    }
    for (let at = 0; at < 8; at++)
        code.push(store(zero, STATE_AT + 16 * at, add(load(zero, STATE_AT + 16 * at), get(16 + at))));
    return { parameters: 0, locals: 26, code: code.flat(), name: null };
}
const START_STATE = Array.from(START, (value, at) => store(address(0), STATE_AT + 16 * at, splat(value)));
const bytesOf = (...words) => words.flatMap((word) => [0, 1, 2, 3].map((byte) => 4 * word + byte));
const REVERSED = bytesOf(0, 1, 2, 3).map((byte) => byte ^ 3);
const reversed = (value, local) => [...set(local, value), ...shuffle(get(local), get(local), REVERSED)];
const LOW_WORDS = bytesOf(0, 4, 1, 5);
const HIGH_WORDS = bytesOf(2, 6, 3, 7);
const LOW_HALVES = bytesOf(0, 1, 4, 5);
const HIGH_HALVES = bytesOf(2, 3, 6, 7);
function transposed(local) {
    const [a, b, c, d] = [0, 1, 2, 3].map((at) => get(local + at));
    const halves = [shuffle(a, b, LOW_WORDS), shuffle(a, b, HIGH_WORDS), shuffle(c, d, LOW_WORDS), shuffle(c, d, HIGH_WORDS)];
    const [e, f, g, h] = [4, 5, 6, 7].map((at) => get(local + at));
    const columns = [shuffle(e, g, LOW_HALVES), shuffle(e, g, HIGH_HALVES), shuffle(f, h, LOW_HALVES), shuffle(f, h, HIGH_HALVES)];
    return [...halves.flatMap((value, at) => set(local + 4 + at, value)), ...columns.flatMap((value, at) => set(local + at, value))];
}
function gather(places, local) {
    const code = [];
    for (let part = 0; part < 4; part++) {
        places.forEach(({ base, offset }, lane) => code.push(set(local + lane, reversed(load(base, offset + 16 * part), local + 8))));
        code.push(transposed(local));
        for (let word = 0; word < 4; word++)
            code.push(setWord(4 * part + word, get(local + word)));
    }
    return code.flat();
}
function scatter(places, local) {
    const code = [];
    for (let part = 0; part < 2; part++) {
        for (let at = 0; at < 4; at++)
            code.push(set(local + at, load(address(0), STATE_AT + 16 * (4 * part + at))));
        code.push(transposed(local));
        places.forEach(({ base, offset }, lane) => code.push(store(base, offset + 16 * part, reversed(get(local + lane), local + 8))));
    }
    return code.flat();
}
const setWord = (word, value) => store(address(0), WORDS_AT + 16 * word, value);
const withBits = (word, mask, bits) => setWord(word, or(and(load(address(0), WORDS_AT + 16 * word), splat(mask)), bits));
const constantWords = (from, to, value) => Array.from({ length: to - from }, (_, at) => setWord(from + at, splat(value))).flat();
const COMPRESS = call(0);
const parameters = (first, offset) => [0, 1, 2, 3].map((lane) => ({ base: get(first + lane), offset }));
function leaves() {
    return {
        name: "leaves", parameters: 8, locals: 9,
        code: [
            ...START_STATE.flat(), ...gather(parameters(0, FRAME_BYTES - 1), 8),
            ...withBits(0, 0x00ffffff, splat(0)), ...withBits(13, 0xffffff00, splat(0x80)), ...constantWords(14, 15, 0), ...constantWords(15, 16, 8 * (1 + ENTRY_BYTES)),
            ...COMPRESS, ...scatter(parameters(4, 0), 8),
        ],
    };
}
function streamLeaves() {
    const stated = ENTRY_BYTES - STATED_AT;
    const kinds = [0, 1, 2, 3].reduce((into, lane) => loadLane(get(lane), FRAME_BYTES, into, lane), splat(0));
    return {
        name: "streamLeaves", parameters: 8, locals: 9,
        code: [
            ...START_STATE.flat(), ...gather(parameters(0, FRAME_BYTES + STATED_AT - 2), 8),
            ...withBits(0, 0x0000ffff, shiftLeft(and(kinds, splat(0xff)), 16)),
            ...withBits(9, 0xffff0000, splat(0x8000)), ...constantWords(10, 15, 0), ...constantWords(15, 16, 8 * (2 + stated)),
            ...COMPRESS, ...scatter(parameters(4, 0), 8),
        ],
    };
}
function pairs() {
    const [from, to] = [get(0), get(1)];
    const lasts = [0, 1, 2, 3].reduce((into, lane) => loadLane(from, 64 * lane + 61, into, lane), splat(0));
    return {
        name: "pairs", parameters: 2, locals: 9,
        code: [
            ...START_STATE.flat(), ...gather([0, 1, 2, 3].map((lane) => ({ base: from, offset: 64 * lane })), 2),
            ...withBits(0, 0x00ffffff, splat(0x01000000)), ...COMPRESS,
            ...setWord(0, or(and(lasts, splat(0xff000000)), splat(0x00800000))), ...constantWords(1, 15, 0), ...constantWords(15, 16, 8 * 65),
            ...COMPRESS, ...scatter([0, 1, 2, 3].map((lane) => ({ base: to, offset: 32 * lane })), 2),
        ],
    };
}
export function openLanes(bytes) {
    const engine = globalThis.WebAssembly;
    if (engine === undefined)
        return null;
    try {
        const module = new engine.Module(encodeModule(Math.ceil((FREE_AT + bytes) / PAGE), [compression(), leaves(), streamLeaves(), pairs()]));
        const { exports } = new engine.Instance(module);
        const { memory, leaves: hashLeaves, streamLeaves: hashStreamLeaves, pairs: hashPairs } = exports;
        return { memory: new Uint8Array(memory.buffer), leaves: hashLeaves, streamLeaves: hashStreamLeaves, pairs: (from, to) => hashPairs(from - 1, to) };
    }
    catch {
        return null;
    }
}
