import { concat, decodeBase64, encodeBase64, encodeHex, encodeUtf8, utf8Length } from "./bytes.js";
import { isUsableKey } from "./ed25519.js";
import { checkBytes, refuse } from "./errors.js";
import { sha256 } from "./sha256.js";
export const MAX_NAME_BYTES = 255;
const MAX_VKEY_BYTES = MAX_NAME_BYTES + 1 + 8 + 1 + 1752;
const PUBLIC_KEY_BYTES = { 0x01: 32, 0x04: 32, 0x06: 1312 };
export function checkKeyName(name) {
    checkName("key name", name);
    if (/[+\p{White_Space}\p{Cc}]/u.test(name))
        refuse("key", "the key name holds white space, a control character or '+'");
}
function checkName(what, name) {
    if (name === "" || utf8Length(name) > MAX_NAME_BYTES)
        refuse("key", `the ${what} does not have 1 to ${MAX_NAME_BYTES} bytes`);
}
export function checkOrigin(origin) {
    checkName("origin", origin);
    if (/[\u0000-\u001f]/.test(origin))
        refuse("key", "the origin holds a control character");
    if (origin === "cosignature/v1" || origin === "subtree/v1")
        refuse("key", "the origin is reserved");
}
function keyId(name, type, publicKey) {
    const hash = sha256(concat(encodeUtf8(name), Uint8Array.of(0x0a, type), publicKey));
    return encodeHex(hash.subarray(0, 4));
}
const known = new Map();
const MAX_KNOWN = 4096;
export function parseVkey(vkey) {
    const cached = known.get(vkey);
    if (cached !== undefined)
        return cached;
    const key = read(vkey);
    if (known.size >= MAX_KNOWN)
        known.clear();
    known.set(vkey, key);
    return key;
}
function read(vkey) {
    checkBytes("key", "the vkey", utf8Length(vkey), MAX_VKEY_BYTES);
    const first = vkey.indexOf("+");
    const second = vkey.indexOf("+", first + 1);
    if (first < 0 || second < 0)
        refuse("key", "a vkey has the form <name>+<8 hex digits>+<base64>");
    const [name, id, text] = [vkey.slice(0, first), vkey.slice(first + 1, second), vkey.slice(second + 1)];
    checkKeyName(name);
    if (!/^[0-9a-f]{8}$/.test(id))
        refuse("key", "the key id is not eight lowercase hexadecimal digits");
    const bytes = decodeBase64(text);
    if (bytes === null || bytes.length === 0)
        refuse("key", "the key is not canonical base64 of a type and a key");
    const type = bytes[0];
    const publicKey = bytes.slice(1);
    const length = PUBLIC_KEY_BYTES[type];
    if (length === undefined)
        refuse("key", `keys of type ${type} are not supported`);
    if (publicKey.length !== length)
        refuse("key", `a key of type ${type} has ${length} bytes`);
    if (type !== 0x06 && !isUsableKey(publicKey))
        refuse("key", "the key is no point, of low order, or in a second encoding");
    if (keyId(name, type, publicKey) !== id)
        refuse("key", "the key id is not the one that name, type and key give");
    return { name, id, type: type, publicKey, vkey: `${name}+${id}+${encodeBase64(bytes)}` };
}
export function sameKey(one, other) {
    return one.vkey === other.vkey;
}
export function partyOf(key) {
    return encodeBase64(key.publicKey);
}
