import { type Bytes } from "./bytes.js";
/** The SHA-512 of the parts, one after the other. */
export declare function sha512(...parts: Uint8Array[]): Bytes;
