// The root that a tree has at a smaller size, by its tiles, with the consistency proof that ties it to the signed root.

import { orNull } from "../errors.js";
import { nodeHash, perfectSizes, verifyConsistency, type Hash, type TreeHead } from "../merkle.js";
import type { Log } from "./log.js";
import { Nodes } from "./nodes.js";

/** The root of the first `size` entries of a tree, or null if the tiles that are served do not prove one. */
export async function prefixRoot(log: Log, size: bigint, head: TreeHead): Promise<Hash | null> {
  const reader = new Nodes(log, head.size);
  const sizes = perfectSizes(size);
  let root: Hash | null = null;
  let end = size;
  for (const span of sizes.reverse()) {
    const hash = await reader.node(end - span, end);
    if (hash === null) return null;
    end -= span;
    root = root === null ? hash : nodeHash(hash, root);
  }
  const proof = await reader.consistency(size);
  if (root === null || proof === null) return null;
  const proven = { size, root };
  const verified = await orNull((async () => verifyConsistency(proven, head, proof))());
  return verified === null ? null : root;
}
