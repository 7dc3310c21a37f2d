import { tryDecodeEntry } from "./entry.js";
import { base64, hash, list, object, u64 } from "./json.js";
import { leafHash, verifyRange } from "./merkle.js";
export const run = object("a run of entries", { first: u64, entries: list(base64), left: list(hash), right: list(hash) });
export function verifyRun({ first, entries, left, right }, head) {
    verifyRange(first, entries.map(leafHash), head, left, right);
}
export function verifyOne(one, head) {
    verifyRun(one, head);
    return one.entries.length === 1 ? tryDecodeEntry(one.entries[0]) : null;
}
