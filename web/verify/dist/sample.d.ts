import { type Parsed } from "./json.js";
import { type Hash } from "./merkle.js";
import type { Trust } from "./trust.js";
/** The `format` of a sample. */
export declare const SAMPLE_FORMAT = "vouchlog/v1 sample";
/** Longest sample, in bytes. */
export declare const MAX_SAMPLE_BYTES: number;
/** Entries that the root of a checkpoint draws, each proven. */
export interface VerifiedSample {
    readonly size: bigint;
    readonly root: Hash;
    readonly entries: readonly {
        readonly index: bigint;
        readonly entry: Uint8Array;
    }[];
}
/** The indexes that a root draws from a tree of this size, in ascending order. */
export declare function drawSample(root: Uint8Array, size: bigint, count: number): bigint[];
/** Reads and verifies a sample. */
export declare function verifySampleFile(bytes: Uint8Array, trust: Trust): Promise<VerifiedSample>;
/** Verifies the sample that a JSON text is. */
export declare function verifySample(parsed: Parsed | undefined, trust: Trust): Promise<VerifiedSample>;
