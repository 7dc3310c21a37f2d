const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const UTF8 = new TextEncoder();
export function decodeUtf8(bytes) {
    try {
        return STRICT_UTF8.decode(bytes);
    }
    catch {
        return null;
    }
}
export function encodeUtf8(text) {
    return UTF8.encode(text);
}
export const utf8Length = (text) => encodeUtf8(text).length;
export function decodeBase64(text) {
    let decoded;
    try {
        decoded = atob(text);
    }
    catch {
        return null;
    }
    if (btoa(decoded) !== text)
        return null;
    const out = new Uint8Array(decoded.length);
    for (let at = 0; at < out.length; at++)
        out[at] = decoded.charCodeAt(at);
    return out;
}
export function decodeBase64Url(text) {
    if (/[+/=]/.test(text))
        return null;
    return decodeBase64(text.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat((4 - (text.length % 4)) % 4));
}
export function encodeBase64(bytes) {
    let units = "";
    for (const byte of bytes)
        units += String.fromCharCode(byte);
    return btoa(units);
}
export function encodeBase64Url(bytes) {
    return encodeBase64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
export function encodeHex(bytes) {
    let out = "";
    for (const byte of bytes)
        out += byte.toString(16).padStart(2, "0");
    return out;
}
export function decodeHex(text) {
    if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text))
        return null;
    const out = new Uint8Array(text.length / 2);
    for (let at = 0; at < out.length; at++)
        out[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16);
    return out;
}
const U64_MAX = (1n << 64n) - 1n;
export function parseDecimal(text) {
    if (text.length > 20 || !/^(0|[1-9][0-9]*)$/.test(text))
        return null;
    const value = BigInt(text);
    return value <= U64_MAX ? value : null;
}
export function equalBytes(one, other) {
    if (one.length !== other.length)
        return false;
    for (let at = 0; at < one.length; at++)
        if (one[at] !== other[at])
            return false;
    return true;
}
export function concat(...parts) {
    const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
        out.set(part, at);
        at += part.length;
    }
    return out;
}
export function u64(value) {
    const out = new Uint8Array(8);
    new DataView(out.buffer).setBigUint64(0, value);
    return out;
}
export function readUint(bytes, at, length) {
    let value = 0;
    const low = length < 4 ? at + length : at + length - 4;
    for (let place = at; place < low; place++)
        value = value * 256 + bytes[place];
    if (length < 4)
        return value;
    return value * 0x1_0000_0000 + (((bytes[low] << 24) | (bytes[low + 1] << 16) | (bytes[low + 2] << 8) | bytes[low + 3]) >>> 0);
}
