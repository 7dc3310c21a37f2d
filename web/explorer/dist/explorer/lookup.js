import { decodeEntry, VerifyError } from "./verify/index.js";
import { readUrl } from "./log.js";
export function parseQuery(text) {
    const plain = text.trim();
    const number = (digits) => {
        const value = /^[0-9]{1,15}$/.test(digits) ? Number(digits) : null;
        return value !== null && Number.isSafeInteger(value) ? value : null;
    };
    if (/^[0-9a-f]{64}$/i.test(plain))
        return { by: "digest", digest: plain.toLowerCase() };
    const [first, second, ...more] = plain.split("/").map((part) => number(part.replace(/[, \u202f]/g, "")));
    if (first === undefined || first === null || more.length > 0)
        return null;
    if (second === undefined)
        return { by: "index", index: BigInt(first) };
    return second === null ? null : { by: "place", stream: first, sequence: second };
}
const MAX_ANSWER = 1 << 20;
export const SEARCHED_BUNDLES = 4096;
async function ask(root, query) {
    const parameters = query.by === "digest" ? `digest=${query.digest}` : query.by === "place" ? `stream=${query.stream}&sequence=${query.sequence}` : "";
    try {
        const bytes = await readUrl(new URL(`v1/inclusion?${parameters}`, root), MAX_ANSWER);
        if (bytes === null)
            return null;
        const answer = JSON.parse(new TextDecoder().decode(bytes));
        const index = answer["index"];
        return typeof index === "number" && Number.isSafeInteger(index) && index >= 0 ? BigInt(index) : typeof index === "string" && /^[0-9]{1,19}$/.test(index) ? BigInt(index) : null;
    }
    catch {
        return null;
    }
}
export function fits(bytes, query) {
    if (query.by === "index")
        return true;
    try {
        const entry = decodeEntry(bytes);
        if (!entry.isStatement)
            return false;
        return query.by === "digest" ? entry.digest === query.digest : entry.stream === query.stream && entry.sequence === query.sequence;
    }
    catch (error) {
        if (error instanceof VerifyError)
            return false;
        throw error;
    }
}
export async function find(root, prover, query, onProgress) {
    if (query.by === "index")
        return { index: query.index };
    const hint = await ask(root, query);
    const { size } = prover.head;
    if (hint !== null && hint < size && fits((await prover.entry(hint)).bytes, query))
        return { index: hint };
    let searched = 0n;
    for (let bundle = (size + 255n) / 256n - 1n, read = 0; bundle >= 0n && read < SEARCHED_BUNDLES; bundle--, read++) {
        const entries = await prover.bundle(bundle);
        const place = entries.findIndex((bytes) => fits(bytes, query));
        if (place >= 0)
            return { index: bundle * 256n + BigInt(place) };
        searched += BigInt(entries.length);
        onProgress(Number(searched));
    }
    return { index: null, searched };
}
