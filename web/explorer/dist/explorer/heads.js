import { Prover } from "./verify/index.js";
const equal = (one, other) => one.length === other.length && one.every((byte, place) => byte === other[place]);
export async function compareHeads(read, known, served) {
    if (known.size === served.size)
        return equal(known.root, served.root) ? "same" : "fork";
    const isOlder = known.size < served.size;
    const [older, newer] = isOlder ? [known, served] : [served, known];
    if (older.size === 0n)
        return isOlder ? "consistent" : "smaller";
    const root = await new Prover(read, newer).rootAt(older.size);
    if (root === null)
        return "unproven";
    if (!equal(root, older.root))
        return "fork";
    return isOlder ? "consistent" : "smaller";
}
