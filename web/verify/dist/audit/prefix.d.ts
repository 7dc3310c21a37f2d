import { type Hash, type TreeHead } from "../merkle.js";
import type { Log } from "./log.js";
/** The root of the first `size` entries of a tree, or null if the tiles that are served do not prove one. */
export declare function prefixRoot(log: Log, size: bigint, head: TreeHead): Promise<Hash | null>;
