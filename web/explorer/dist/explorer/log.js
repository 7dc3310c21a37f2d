const MAX_OBJECT_BYTES = 256 * (2 + 65_535);
const PATIENCE = 30_000;
export function logUrl() {
    const meta = document.querySelector('meta[name="vouchlog-log"]');
    return new URL(meta?.content ?? "./", document.baseURI);
}
export function readerOf(root, cache = "default") {
    return async (path) => readUrl(new URL(path, root), MAX_OBJECT_BYTES, path === "checkpoint" ? "no-store" : cache);
}
const MAX_SEVERAL_BYTES = 2 * 1024 * 1024 + MAX_OBJECT_BYTES;
export function severalOf(root) {
    return async (first, count) => readUrl(new URL(`v1/bundles?first=${first}&count=${count}`, root), MAX_SEVERAL_BYTES, "no-store");
}
export async function readUrl(url, most, cache = "default") {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(new Error(`the server took longer than ${PATIENCE / 1000} s`)), PATIENCE);
    try {
        return await readWithin(url, most, cache, patience.signal);
    }
    finally {
        clearTimeout(timer);
    }
}
async function readWithin(url, most, cache, signal) {
    const response = await fetch(url, { cache, credentials: "omit", redirect: "follow", referrerPolicy: "no-referrer", signal });
    if (response.status === 404 || response.status === 410)
        return null;
    if (!response.ok)
        throw new Error(`the server answered ${response.status}`);
    const length = Number(response.headers.get("content-length") ?? Infinity);
    const isPlain = response.type === "basic" && response.headers.get("content-encoding") === null;
    return isPlain && length <= most ? new Uint8Array(await response.arrayBuffer()) : await bounded(response, most);
}
async function bounded(response, most) {
    const reader = response.body?.getReader();
    if (reader === undefined)
        return new Uint8Array(0);
    const parts = [];
    let length = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
        length += next.value.length;
        if (length > most) {
            await reader.cancel();
            throw new Error(`the server sent more than ${most} bytes`);
        }
        parts.push(next.value);
    }
    const whole = new Uint8Array(length);
    let place = 0;
    for (const part of parts) {
        whole.set(part, place);
        place += part.length;
    }
    return whole;
}
