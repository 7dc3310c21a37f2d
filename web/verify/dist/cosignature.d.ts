import { type Bytes } from "./bytes.js";
/** The signed bytes of a cosignature of type 0x04. */
export declare function cosignedMessage(timestamp: bigint, checkpointText: string): Bytes;
/** What a cosignature of type 0x06 covers. */
export interface CosignedSubtree {
    readonly cosigner: string;
    readonly timestamp: bigint;
    readonly origin: string;
    readonly start: bigint;
    readonly end: bigint;
    readonly hash: Uint8Array;
}
/** The signed bytes of a cosignature of type 0x06. Name and origin have at most 255 bytes. */
export declare function subtreeMessage({ cosigner, timestamp, origin, start, end, hash }: CosignedSubtree): Bytes;
/** The time and the signature of a timestamped payload; null if it is too short, or the time too large. */
export declare function splitTimestamped(payload: Bytes): {
    timestamp: bigint;
    signature: Bytes;
} | null;
