import type { Bytes } from "./bytes.js";
/** Writes the hash of `bytes[from..to]` to `out` at `at`; with a prefix byte before it unless that is negative. */
export declare function sha256Into(out: Uint8Array, at: number, prefix: number, bytes: Uint8Array, from: number, to: number): void;
/** The SHA-256 of bytes. */
export declare function sha256(bytes: Uint8Array): Bytes;
