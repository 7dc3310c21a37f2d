import { orNull } from "../errors.js";
import { nodeHash, perfectSizes, verifyConsistency } from "../merkle.js";
import { Nodes } from "./nodes.js";
export async function prefixRoot(log, size, head) {
    const reader = new Nodes(log, head.size);
    const sizes = perfectSizes(size);
    let root = null;
    let end = size;
    for (const span of sizes.reverse()) {
        const hash = await reader.node(end - span, end);
        if (hash === null)
            return null;
        end -= span;
        root = root === null ? hash : nodeHash(hash, root);
    }
    const proof = await reader.consistency(size);
    if (root === null || proof === null)
        return null;
    const proven = { size, root };
    const verified = await orNull((async () => verifyConsistency(proven, head, proof))());
    return verified === null ? null : root;
}
