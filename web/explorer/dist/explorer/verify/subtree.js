import { equalBytes } from "./bytes.js";
import { refuse } from "./errors.js";
import { EMPTY_ROOT, MAX_PROOF_HASHES, verifyInclusion, verifySubtree } from "./merkle.js";
export function isSubtree(start, end) {
    if (start < 0n || start > end)
        return false;
    const size = end - start;
    if (size <= 1n || start === 0n)
        return true;
    const ceil = 1n << BigInt((size - 1n).toString(2).length);
    return start % ceil === 0n;
}
export function verifySubtreeInclusion(index, start, end, leaf, proof, hash) {
    if (!isSubtree(start, end))
        refuse("not-included", `[${start}, ${end}) is not a subtree`);
    if (index < start)
        refuse("not-included", "the index is left of the subtree");
    verifyInclusion(index - start, { size: end - start, root: hash.slice() }, leaf, proof);
}
export function verifySubtreeConsistency(start, end, hash, head, proof) {
    const no = (why) => refuse("not-included", `the subtree consistency proof ${why}`);
    if (!isSubtree(start, end) || end > head.size)
        no("is of no subtree of the tree");
    if (proof.length > MAX_PROOF_HASHES + 1 || [hash, head.root, ...proof].some((one) => one.length !== 32))
        no("is malformed");
    if (start === end) {
        if (proof.length > 0 || !equalBytes(hash, EMPTY_ROOT))
            no("is of no empty subtree");
        return;
    }
    verifySubtree("subtree consistency proof", start, end, hash, head, proof);
}
