import { encodeHex, equalBytes } from "./bytes.js";
import { sha512 } from "./sha512.js";
const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;
const mod = (value) => {
    const rest = value % P;
    return rest < 0n ? rest + P : rest;
};
function power(base, exponent) {
    let result = 1n;
    for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % P)
        if (e & 1n)
            result = (result * b) % P;
    return result;
}
const D = mod(-121665n * power(121666n, P - 2n));
const SQRT_M1 = power(2n, (P - 1n) / 4n);
const NEUTRAL = { x: 0n, y: 1n, z: 1n, t: 0n };
const BASE = (() => {
    const y = mod(4n * power(5n, P - 2n));
    return decompress(fromInteger(y));
})();
function add(p, q) {
    const a = mod((p.y - p.x) * (q.y - q.x));
    const b = mod((p.y + p.x) * (q.y + q.x));
    const c = mod(2n * D * p.t * q.t);
    const d = mod(2n * p.z * q.z);
    const [e, f, g, h] = [b - a, d - c, d + c, b + a];
    return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}
function double(p) {
    const a = mod(p.x * p.x);
    const b = mod(p.y * p.y);
    const c = mod(2n * p.z * p.z);
    const h = a + b;
    const e = h - mod((p.x + p.y) * (p.x + p.y));
    const g = a - b;
    const f = c + g;
    return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}
const negate = (p) => ({ x: mod(-p.x), y: p.y, z: p.z, t: mod(-p.t) });
function combine(a, p, b, q) {
    const both = add(p, q);
    let result = NEUTRAL;
    for (let bit = 255n; bit >= 0n; bit--) {
        result = double(result);
        const inA = (a >> bit) & 1n;
        const inB = (b >> bit) & 1n;
        if (inA && inB)
            result = add(result, both);
        else if (inA)
            result = add(result, p);
        else if (inB)
            result = add(result, q);
    }
    return result;
}
function toInteger(bytes) {
    return BigInt(`0x${encodeHex(bytes.slice().reverse())}`);
}
function fromInteger(value) {
    const out = new Uint8Array(32);
    for (let at = 0; at < 32; at++)
        out[at] = Number((value >> BigInt(8 * at)) & 255n);
    return out;
}
function decompress(bytes) {
    const encoded = toInteger(bytes);
    const sign = encoded >> 255n;
    const y = encoded & ((1n << 255n) - 1n);
    if (y >= P)
        return null;
    const y2 = mod(y * y);
    const u = mod(y2 - 1n);
    const v = mod(D * y2 + 1n);
    const v3 = mod(v * v * v);
    let x = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n));
    const check = mod(v * x * x);
    if (check !== u) {
        if (check !== mod(-u))
            return null;
        x = mod(x * SQRT_M1);
    }
    if (x === 0n && sign === 1n)
        return null;
    if ((x & 1n) !== sign)
        x = P - x;
    return { x, y, z: 1n, t: mod(x * y) };
}
function compress(p) {
    const inverse = power(p.z, P - 2n);
    const x = mod(p.x * inverse);
    return fromInteger(mod(p.y * inverse) | ((x & 1n) << 255n));
}
function isLowOrder(p) {
    const q = double(double(double(p)));
    return mod(q.x) === 0n && mod(q.y - q.z) === 0n;
}
export function isUsableKey(key) {
    const point = key.length === 32 ? decompress(key) : null;
    return point !== null && !isLowOrder(point);
}
export function hasStrictR(signature) {
    return isUsableKey(signature.subarray(0, 32));
}
export function isCanonicalR(signature) {
    const encoded = toInteger(signature.subarray(0, 32));
    const y = encoded & ((1n << 255n) - 1n);
    return y < P && !(encoded >> 255n === 1n && (y === 1n || y === P - 1n));
}
export function verifyEd25519(key, message, signature) {
    if (signature.length !== 64 || key.length !== 32)
        return false;
    const point = decompress(key);
    const s = toInteger(signature.subarray(32));
    if (point === null || s >= L)
        return false;
    const r = signature.subarray(0, 32);
    const k = toInteger(sha512(r, key, message)) % L;
    return equalBytes(compress(combine(s, BASE, k, negate(point))), r);
}
