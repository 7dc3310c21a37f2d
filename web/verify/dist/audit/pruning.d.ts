import { type Pruning } from "../control.js";
import type { TreeHead } from "../merkle.js";
import type { Trust } from "../trust.js";
import type { Log } from "./log.js";
/** A minimum index that a log announced, and the entry that does. */
export interface AnnouncedPruning extends Pruning {
    readonly entry: bigint;
}
/** What a log announced that it gave up; null if the tree does not have an announcement, signed by the log, where the log says that it is. */
export declare function announcedPruning(log: Log, head: TreeHead, trust: Trust): Promise<AnnouncedPruning | null>;
