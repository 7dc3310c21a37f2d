import { concat, encodeUtf8, u64 } from "./bytes.js";
const MAX_TIMESTAMP = (1n << 63n) - 1n;
export function cosignedMessage(timestamp, checkpointText) {
    return encodeUtf8(`cosignature/v1\ntime ${timestamp}\n${checkpointText}`);
}
export function subtreeMessage({ cosigner, timestamp, origin, start, end, hash }) {
    const [name, log] = [encodeUtf8(cosigner), encodeUtf8(origin)];
    return concat(encodeUtf8("subtree/v1\n\0"), Uint8Array.of(name.length), name, u64(timestamp), Uint8Array.of(log.length), log, u64(start), u64(end), hash);
}
export function splitTimestamped(payload) {
    if (payload.length < 8)
        return null;
    const timestamp = new DataView(payload.buffer, payload.byteOffset).getBigUint64(0);
    return timestamp > MAX_TIMESTAMP ? null : { timestamp, signature: payload.slice(8) };
}
