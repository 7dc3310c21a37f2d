import type { Bytes } from "./bytes.js";
/** FIPS 180-4 section 4.2.2. */
export declare const K: Int32Array<ArrayBufferLike>;
/** FIPS 180-4 section 5.3.3. */
export declare const START: Int32Array<ArrayBufferLike>;
/** Writes the hash of `bytes[from..to]` to `out` at `at`; with a prefix byte before it unless that is negative. */
export declare function sha256Into(out: Uint8Array, at: number, prefix: number, bytes: Uint8Array, from: number, to: number): void;
/** The SHA-256 of bytes. */
export declare function sha256(bytes: Uint8Array): Bytes;
