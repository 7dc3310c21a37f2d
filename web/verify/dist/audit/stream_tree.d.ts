import { type Hash } from "../merkle.js";
export declare class StreamTree {
    #private;
    /** Leaves so far. */
    get size(): bigint;
    /** Adds a leaf hash. */
    push(leaf: Uint8Array): void;
    /** Adds a leaf hash that is given as the eight words from a place on: the same bytes, copied four at a time. */
    pushWords(words: Int32Array, from: number): void;
    /** The root of the tree. */
    root(): Hash;
}
