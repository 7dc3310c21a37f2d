import { tryDecodeEntry } from "./entry.js";
import { Fields } from "./json.js";
import { leafHash, verifyRange } from "./merkle.js";
export function readRun(value) {
    const fields = new Fields(value, "a run of entries", ["first", "entries", "left", "right"]);
    return { first: fields.u64("first"), entries: fields.base64s("entries"), left: fields.hashes("left"), right: fields.hashes("right") };
}
export function verifyRun(run, head) {
    verifyRange(run.first, run.entries.map(leafHash), head, run.left, run.right);
}
export function verifyOne(run, head) {
    verifyRun(run, head);
    return run.entries.length === 1 ? tryDecodeEntry(run.entries[0]) : null;
}
