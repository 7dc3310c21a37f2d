import { concat, encodeUtf8, u64 } from "./bytes.js";
import { recast, refuse } from "./errors.js";
import { format, list, object, parseWithin, readMembers, string, u64 as whole } from "./json.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { parseProofFile } from "./proof_file.js";
import { sha256 } from "./sha256.js";
export const SAMPLE_FORMAT = "vouchlog/v1 sample";
export const MAX_SAMPLE_BYTES = 256 << 20;
const MAX_SAMPLE = 1 << 16;
export function drawSample(root, size, count) {
    if (BigInt(count) > size || count > MAX_SAMPLE)
        refuse("format", `a sample of ${count} from ${size} entries cannot be drawn`);
    const drawn = new Set();
    const limit = size === 0n ? 0n : ((2n ** 64n - 1n) / size) * size;
    for (let block = 0n; drawn.size < count; block++) {
        const hash = sha256(concat(encodeUtf8("vouchlog/v1 sample\n"), root, u64(size), u64(BigInt(count)), u64(block)));
        const view = new DataView(hash.buffer);
        for (let at = 0; at < 32 && drawn.size < count; at += 8) {
            const candidate = view.getBigUint64(at);
            if (candidate < limit)
                drawn.add(candidate % size);
        }
    }
    return [...drawn].sort((one, other) => (one < other ? -1 : 1));
}
export async function verifySampleFile(bytes, trust) {
    return verifySample(parseWithin(bytes, MAX_SAMPLE_BYTES), trust);
}
export async function verifySample(parsed, trust) {
    const { checkpoint, entries: drawn } = readMembers(parsed, "the sample", {
        format: format(SAMPLE_FORMAT), origin: string, checkpoint: string,
        entries: list(object("an entry of the sample", { index: whole, proof_file: string })),
    });
    const signed = await trust.checkpoint(checkpoint);
    const { size, root } = signed.head;
    await trust.check("draw", "the sample", () => {
        const expected = drawSample(root, size, drawn.length);
        if (drawn.some(({ index }, at) => index !== expected[at]))
            refuse("mismatch", "these are not the entries that the root draws");
    }, () => ({ size, entries: drawn.length }));
    const prove = ({ index, proof_file: proof }) => {
        const file = recast("format", `the proof of entry ${index}`, () => parseProofFile(proof));
        if (file.extra === null)
            refuse("no-entry", `the proof of entry ${index} does not carry the entry`);
        if (file.index !== index)
            refuse("mismatch", `the proof of entry ${index} is of another entry`);
        if (file.note.note !== signed.note.note)
            refuse("mismatch", `the proof of entry ${index} is under another checkpoint`);
        verifyInclusion(index, signed.head, leafHash(file.extra), file.proof);
        return { index, entry: file.extra };
    };
    const entries = [];
    for (const one of drawn) {
        entries.push(await trust.check("inclusion", `entry ${one.index}`, () => prove(one), ({ index }) => ({ index, size })));
    }
    return { size, root, entries };
}
