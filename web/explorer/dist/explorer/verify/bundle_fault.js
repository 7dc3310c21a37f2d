import { equalBytes } from "./bytes.js";
export function compareBundle(tree, served, rest) {
    let at = 0;
    while (at < tree.length && at < served.length && equalBytes(tree[at], served[at]))
        at++;
    const fault = (kind) => ({ kind, at });
    if (at === tree.length)
        return served.length > tree.length || rest ? fault("inserted-entry") : null;
    if (at === served.length)
        return fault("truncated-bundle");
    if (tree.length === served.length && sorted(tree) === sorted(served))
        return fault("reordered-entries");
    const [trees, serveds] = [tree.slice(at), served.slice(at)];
    if (agree(trees.slice(1), serveds.slice(1)))
        return fault("altered-entry");
    if (agree(trees.slice(1), serveds) || (serveds.length < trees.length && isWithin(serveds, trees)))
        return fault("removed-entry");
    return fault(agree(trees, serveds.slice(1)) ? "inserted-entry" : "altered-entry");
}
function agree(one, other) {
    const common = Math.min(one.length, other.length);
    if (common === 0)
        return false;
    for (let at = 0; at < common; at++)
        if (!equalBytes(one[at], other[at]))
            return false;
    return true;
}
const sorted = (hashes) => hashes.map((hash) => hash.join()).sort().join(";");
function isWithin(part, whole) {
    let at = 0;
    return part.every((hash) => {
        while (at < whole.length && !equalBytes(whole[at], hash))
            at++;
        return at++ < whole.length;
    });
}
