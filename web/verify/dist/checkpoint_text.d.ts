import { type TreeHead } from "./merkle.js";
/** A tree head under its log's name. */
export interface Checkpoint {
    readonly origin: string;
    readonly head: TreeHead;
    /** Lines after the root. Cosignatures of type 0x06 leave them out. */
    readonly extensions: readonly string[];
}
/** Reads the text of a checkpoint, which ends in LF. */
export declare function parseCheckpointText(text: string): Checkpoint;
