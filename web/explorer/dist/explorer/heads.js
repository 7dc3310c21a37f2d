import { equalBytes, Prover } from "./verify/index.js";
export async function compareHeads(read, known, served) {
    if (known.size === served.size)
        return equalBytes(known.root, served.root) ? "same" : "fork";
    const isOlder = known.size < served.size;
    const [older, newer] = isOlder ? [known, served] : [served, known];
    if (older.size === 0n)
        return isOlder ? "consistent" : "smaller";
    const root = await new Prover(read, newer).rootAt(older.size);
    if (root === null)
        return "unproven";
    if (!equalBytes(root, older.root))
        return "fork";
    return isOlder ? "consistent" : "smaller";
}
