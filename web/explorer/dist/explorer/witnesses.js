import { encodeHex, openCheckpoint, parseNote, sha256, VerifyError, verifyNote } from "./verify/index.js";
import { readUrl } from "./log.js";
export async function lineOf({ key }, signed, trust) {
    if (!signed.note.lines.some(({ name, id }) => name === key.name && id === key.id))
        return { state: "none" };
    try {
        const { signatures } = await verifyNote(signed.note, [key], trust.crypto);
        const seconds = signatures[0]?.timestamp ?? null;
        return seconds === null ? { state: "forged" } : { state: "verified", seconds };
    }
    catch (error) {
        if (!(error instanceof VerifyError) || error.reason === "unsupported")
            throw error;
        return { state: "forged" };
    }
}
const MAX_CHECKPOINT = 1 << 20;
export async function askWitness({ key, url }, trust) {
    if (url === null)
        return { state: "silent", words: "the policy names no URL of it" };
    let bytes;
    try {
        const base = new URL(url.endsWith("/") ? url : `${url}/`);
        if (base.protocol !== "https:" && base.protocol !== "http:")
            return { state: "silent", words: "its URL is not one of the web" };
        const origin = encodeHex(sha256(new TextEncoder().encode(trust.origin)));
        bytes = await readUrl(new URL(`${origin}/checkpoint`, base), MAX_CHECKPOINT, "no-store");
    }
    catch (error) {
        return { state: "silent", words: error instanceof Error ? error.message : "it could not be asked" };
    }
    if (bytes === null)
        return { state: "nothing" };
    try {
        const signed = await openCheckpoint(bytes, trust.origin, [trust.log], trust.crypto);
        const { signatures } = await verifyNote(parseNote(bytes), [key], trust.crypto);
        const seconds = signatures[0]?.timestamp ?? null;
        return seconds === null ? { state: "bad", words: "its own signature has no time" } : { state: "head", signed, seconds };
    }
    catch (error) {
        if (!(error instanceof VerifyError))
            throw error;
        return { state: "bad", words: error.message };
    }
}
