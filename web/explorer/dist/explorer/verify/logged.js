import { decodeHex, equalBytes } from "./bytes.js";
import { decodeEntry, tryDecodeEntry } from "./entry.js";
import { recast, refuse } from "./errors.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { witnessedUntil } from "./policy.js";
import { parseProofFile } from "./proof_file.js";
export async function verifyProofFile(file, trust, claim = {}) {
    const proof = parseProofFile(file);
    const bytes = claim.entry?.slice() ?? proof.extra ?? refuse("no-entry", "the proof file does not carry its entry, and none was given");
    const { head, cosignatures } = await trust.checkpoint(proof.note.note);
    const entry = tryDecodeEntry(bytes);
    await trust.check("inclusion", "the entry", () => verifyInclusion(proof.index, head, leafHash(bytes), proof.proof), () => ({ index: proof.index, size: head.size, hashes: proof.proof.length, kind: entry?.kind ?? null }));
    if (claim.digest !== undefined) {
        const digest = decodeHex(claim.digest);
        const statement = recast("entry", "the entry", () => decodeEntry(bytes));
        const isIt = statement.isStatement && digest !== null && equalBytes(decodeHex(statement.digest), digest);
        if (!isIt)
            refuse("mismatch", "the entry does not have this digest");
    }
    return {
        origin: trust.origin, index: proof.index, size: head.size, bytes, entry, cosignatures,
        witnessedUntil: witnessedUntil(cosignatures),
    };
}
