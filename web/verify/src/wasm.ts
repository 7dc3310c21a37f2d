// As much of WebAssembly's binary format as a module of straight-line code over vectors needs (WebAssembly Core Specification 2.0, chapter 5).

/** Instructions, or a piece of a module, as bytes. */
export type Code = readonly number[];

/** An unsigned number in LEB128. */
function unsigned(value: number): number[] {
  const out = [];
  for (; value >= 0x80; value >>>= 7) out.push((value & 0x7f) | 0x80);
  out.push(value);
  return out;
}

/** An instruction of the vector extension. */
const vector = (opcode: number, ...immediates: number[]): number[] => [0xfd, ...unsigned(opcode), ...immediates];

const VALUE_TYPES = { i32: 0x7f, v128: 0x7b } as const;
/** The four lanes of 32 bits, as bytes of a vector. */
const word = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
export const call = (index: number): Code => [0x10, ...unsigned(index)];
/** An address that is the same at every call. */
export const address = (value: number): Code => {
  const out = [0x41];
  // Signed LEB128: the last byte must not have the sign's bit set.
  for (; value >= 0x40; value >>>= 7) out.push((value & 0x7f) | 0x80);
  return [...out, value];
};
/** The number in all four lanes. */
export const splat = (value: number): Code => vector(0x0c, ...word(value), ...word(value), ...word(value), ...word(value));
export const load = (base: Code, offset: number): Code => [...base, ...vector(0x00, 0, ...unsigned(offset))];
export const store = (base: Code, offset: number, value: Code): Code => [...base, ...value, ...vector(0x0b, 0, ...unsigned(offset))];
/** `into` with the word at an address in one of its lanes. */
export const loadLane = (base: Code, offset: number, into: Code, lane: number): Code => [...base, ...into, ...vector(0x56, 0, ...unsigned(offset), lane)];
/** The bytes of both vectors that are named, 0 to 31. */
export const shuffle = (one: Code, other: Code, bytes: readonly number[]): Code => [...one, ...other, ...vector(0x0d, ...bytes)];
export const and = (one: Code, other: Code): Code => [...one, ...other, ...vector(0x4e)];
export const or = (one: Code, other: Code): Code => [...one, ...other, ...vector(0x50)];
export const xor = (one: Code, other: Code): Code => [...one, ...other, ...vector(0x51)];
/** The bits of `one` where the mask has ones, those of `other` where it has zeros. */
export const select = (one: Code, other: Code, mask: Code): Code => [...one, ...other, ...mask, ...vector(0x52)];
export const add = (first: Code, ...more: Code[]): Code => more.reduce<Code>((sum, one) => [...sum, ...one, ...vector(0xae)], first);
export const shiftLeft = (value: Code, bits: number): Code => [...value, ...address(bits), ...vector(0xab)];
export const shiftRight = (value: Code, bits: number): Code => [...value, ...address(bits), ...vector(0xad)];

/** A function without a result: the locals after its parameters are vectors. */
export interface Routine { readonly parameters: number; readonly locals: number; readonly code: Code; readonly name: string | null }

const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const list = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, items: readonly (readonly number[])[]): number[] => [id, ...sized(list(items))];
const text = (value: string): number[] => sized([...value].map((character) => character.charCodeAt(0)));

/** A module of these functions with a memory of its own, so many pages of 64 KiB. The parameters are addresses. */
export function encodeModule(pages: number, routines: readonly Routine[]): Uint8Array<ArrayBuffer> {
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
