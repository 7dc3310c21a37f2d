function unsigned(value) {
    const out = [];
    for (; value >= 0x80; value >>>= 7)
        out.push((value & 0x7f) | 0x80);
    out.push(value);
    return out;
}
const vector = (opcode, ...immediates) => [0xfd, ...unsigned(opcode), ...immediates];
const VALUE_TYPES = { i32: 0x7f, v128: 0x7b };
const word = (value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
export const get = (local) => [0x20, ...unsigned(local)];
export const set = (local, value) => [...value, 0x21, ...unsigned(local)];
export const call = (index) => [0x10, ...unsigned(index)];
export const address = (value) => {
    const out = [0x41];
    for (; value >= 0x40; value >>>= 7)
        out.push((value & 0x7f) | 0x80);
    return [...out, value];
};
export const splat = (value) => vector(0x0c, ...word(value), ...word(value), ...word(value), ...word(value));
export const load = (base, offset) => [...base, ...vector(0x00, 0, ...unsigned(offset))];
export const store = (base, offset, value) => [...base, ...value, ...vector(0x0b, 0, ...unsigned(offset))];
export const loadLane = (base, offset, into, lane) => [...base, ...into, ...vector(0x56, 0, ...unsigned(offset), lane)];
export const shuffle = (one, other, bytes) => [...one, ...other, ...vector(0x0d, ...bytes)];
export const and = (one, other) => [...one, ...other, ...vector(0x4e)];
export const or = (one, other) => [...one, ...other, ...vector(0x50)];
export const xor = (one, other) => [...one, ...other, ...vector(0x51)];
export const select = (one, other, mask) => [...one, ...other, ...mask, ...vector(0x52)];
export const add = (first, ...more) => more.reduce((sum, one) => [...sum, ...one, ...vector(0xae)], first);
export const shiftLeft = (value, bits) => [...value, ...address(bits), ...vector(0xab)];
export const shiftRight = (value, bits) => [...value, ...address(bits), ...vector(0xad)];
const sized = (bytes) => [...unsigned(bytes.length), ...bytes];
const list = (items) => [...unsigned(items.length), ...items.flat()];
const section = (id, items) => [id, ...sized(list(items))];
const text = (value) => sized([...value].map((character) => character.charCodeAt(0)));
export function encodeModule(pages, routines) {
    const exported = routines.flatMap(({ name }, index) => (name === null ? [] : [[...text(name), 0x00, ...unsigned(index)]]));
    return Uint8Array.from([
        0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
        ...section(1, routines.map(({ parameters }) => [0x60, ...list(Array.from({ length: parameters }, () => [VALUE_TYPES.i32])), 0])),
        ...section(3, routines.map((_, index) => unsigned(index))),
        ...section(5, [[0x01, ...unsigned(pages), ...unsigned(pages)]]),
        ...section(7, [[...text("memory"), 0x02, 0x00], ...exported]),
        ...section(10, routines.map(({ locals, code }) => sized([...list([[...unsigned(locals), VALUE_TYPES.v128]]), ...code, 0x0b]))),
    ]);
}
