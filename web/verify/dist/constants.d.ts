/** 64 bits. */
export declare const MASK: bigint;
/** One for each round. */
export declare const ROUNDS: readonly bigint[];
/** The state that hashing begins with. */
export declare const BEGINNING: readonly bigint[];
/** The first 32 bits of each. */
export declare const firstHalves: (values: readonly bigint[]) => Int32Array;
