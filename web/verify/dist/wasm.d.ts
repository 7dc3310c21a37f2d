/** Instructions, or a piece of a module, as bytes. */
export type Code = readonly number[];
export declare const get: (local: number) => Code;
export declare const set: (local: number, value: Code) => Code;
export declare const call: (index: number) => Code;
/** An address that is the same at every call. */
export declare const address: (value: number) => Code;
/** The number in all four lanes. */
export declare const splat: (value: number) => Code;
export declare const load: (base: Code, offset: number) => Code;
export declare const store: (base: Code, offset: number, value: Code) => Code;
/** `into` with the word at an address in one of its lanes. */
export declare const loadLane: (base: Code, offset: number, into: Code, lane: number) => Code;
/** The bytes of both vectors that are named, 0 to 31. */
export declare const shuffle: (one: Code, other: Code, bytes: readonly number[]) => Code;
export declare const and: (one: Code, other: Code) => Code;
export declare const or: (one: Code, other: Code) => Code;
export declare const xor: (one: Code, other: Code) => Code;
/** The bits of `one` where the mask has ones, those of `other` where it has zeros. */
export declare const select: (one: Code, other: Code, mask: Code) => Code;
export declare const add: (first: Code, ...more: Code[]) => Code;
export declare const shiftLeft: (value: Code, bits: number) => Code;
export declare const shiftRight: (value: Code, bits: number) => Code;
/** A function without a result: the locals after its parameters are vectors. */
export interface Routine {
    readonly parameters: number;
    readonly locals: number;
    readonly code: Code;
    readonly name: string | null;
}
/** A module of these functions with a memory of its own, so many pages of 64 KiB. The parameters are addresses. */
export declare function encodeModule(pages: number, routines: readonly Routine[]): Uint8Array<ArrayBuffer>;
