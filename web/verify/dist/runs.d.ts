import type { Bytes } from "./bytes.js";
import { type Entry } from "./entry.js";
import { type Reader } from "./json.js";
import { type Hash, type TreeHead } from "./merkle.js";
/** Entries side by side, as read. */
export interface Run {
    readonly first: bigint;
    readonly entries: readonly Bytes[];
    readonly left: readonly Hash[];
    readonly right: readonly Hash[];
}
/** How a run is read. */
export declare const run: Reader<Run>;
/** Verifies that the tree has the entries of a run at the place that the run names. */
export declare function verifyRun({ first, entries, left, right }: Run, head: TreeHead): void;
/** The one entry of a run of one, after the run was found to be in the tree; null if it is no entry, or there are more. */
export declare function verifyOne(one: Run, head: TreeHead): Entry | null;
