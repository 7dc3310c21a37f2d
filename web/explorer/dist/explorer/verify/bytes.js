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
export function utf8Length(text) {
    let bytes = text.length;
    for (let at = 0; at < text.length; at++) {
        const unit = text.charCodeAt(at);
        if (unit >= 0x800 && !(unit >= 0xd800 && unit <= 0xdfff))
            bytes += 2;
        else if (unit >= 0x80)
            bytes += 1;
    }
    return bytes;
}
const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
function table(alphabet) {
    const values = new Int8Array(128).fill(-1);
    for (let value = 0; value < 64; value++)
        values[alphabet.charCodeAt(value)] = value;
    return values;
}
const STANDARD_VALUES = table(STANDARD);
const URL_SAFE_VALUES = table(URL_SAFE);
export function decodeBase64(text) {
    if (text.length % 4 !== 0)
        return null;
    const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
    return decodeDigits(text, text.length - padding, STANDARD_VALUES);
}
export function decodeBase64Url(text) {
    return decodeDigits(text, text.length, URL_SAFE_VALUES);
}
function decodeDigits(text, digits, values) {
    if (digits % 4 === 1)
        return null;
    const out = new Uint8Array(Math.floor((digits * 6) / 8));
    let bits = 0;
    let held = 0;
    let at = 0;
    for (let place = 0; place < digits; place++) {
        const code = text.charCodeAt(place);
        const value = code < 128 ? values[code] : -1;
        if (value < 0)
            return null;
        held = ((held << 6) | value) & 0xfff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[at++] = (held >> bits) & 0xff;
        }
    }
    return (held & ((1 << bits) - 1)) === 0 ? out : null;
}
function encodeDigits(bytes, alphabet) {
    let out = "";
    for (let at = 0; at < bytes.length; at += 3) {
        const word = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
        const digits = Math.min(4, bytes.length - at + 1);
        for (let digit = 0; digit < digits; digit++)
            out += alphabet[(word >> (18 - 6 * digit)) & 63];
    }
    return out;
}
export function encodeBase64(bytes) {
    return encodeDigits(bytes, STANDARD) + "=".repeat((3 - (bytes.length % 3)) % 3);
}
export function encodeBase64Url(bytes) {
    return encodeDigits(bytes, URL_SAFE);
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
    for (let place = at; place < at + length; place++)
        value = value * 256 + bytes[place];
    return value;
}
