import { openPruning } from "../control.js";
import { decodeEntry } from "../entry.js";
import { orNull } from "../errors.js";
import { Prover } from "../prover.js";
export async function announcedPruning(log, head, trust) {
    const index = await log.pruned();
    return index === null ? null : orNull(announcement(new Prover(log, head), index, trust));
}
async function announcement(prover, index, trust) {
    const entry = decodeEntry((await prover.entry(index)).bytes);
    if (entry.kind !== "log-pruned")
        return null;
    const pruning = await openPruning(entry.note, trust.origin, trust.log, trust.crypto);
    return pruning.minimum > index ? null : { ...pruning, entry: index };
}
