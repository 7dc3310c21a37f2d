// Ed25519 verification (RFC 8032), without the cofactor: R is computed again and compared byte for byte, S must be reduced.
// This is what Go, OpenSSL and BoringSSL do. Keys of low order and second encodings of a key are refused when the key is read.

import { encodeHex, equalBytes, type Bytes } from "./bytes.js";
import { sha512 } from "./sha512.js";

const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;

/** A point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
interface Point { x: bigint; y: bigint; z: bigint; t: bigint }

const mod = (value: bigint): bigint => {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
};

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % P) if (e & 1n) result = (result * b) % P;
  return result;
}

// RFC 8032 section 5.1: -121665/121666, and 5.1.3: the square root of -1.
const D = mod(-121665n * power(121666n, P - 2n));
const SQRT_M1 = power(2n, (P - 1n) / 4n);

const NEUTRAL: Point = { x: 0n, y: 1n, z: 1n, t: 0n };

const BASE: Point = (() => {
  const y = mod(4n * power(5n, P - 2n));
  return decompress(fromInteger(y))!;
})();

function add(p: Point, q: Point): Point {
  const a = mod((p.y - p.x) * (q.y - q.x));
  const b = mod((p.y + p.x) * (q.y + q.x));
  const c = mod(2n * D * p.t * q.t);
  const d = mod(2n * p.z * q.z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}

function double(p: Point): Point {
  const a = mod(p.x * p.x);
  const b = mod(p.y * p.y);
  const c = mod(2n * p.z * p.z);
  const h = a + b;
  const e = h - mod((p.x + p.y) * (p.x + p.y));
  const g = a - b;
  const f = c + g;
  return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}

const negate = (p: Point): Point => ({ x: mod(-p.x), y: p.y, z: p.z, t: mod(-p.t) });

/** a·P + b·Q, both at once. */
function combine(a: bigint, p: Point, b: bigint, q: Point): Point {
  const both = add(p, q);
  let result = NEUTRAL;
  for (let bit = 255n; bit >= 0n; bit--) {
    result = double(result);
    const inA = (a >> bit) & 1n;
    const inB = (b >> bit) & 1n;
    if (inA && inB) result = add(result, both);
    else if (inA) result = add(result, p);
    else if (inB) result = add(result, q);
  }
  return result;
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(bytes.slice().reverse())}`);
}

function fromInteger(value: bigint): Bytes {
  const out = new Uint8Array(32);
  for (let at = 0; at < 32; at++) out[at] = Number((value >> BigInt(8 * at)) & 255n);
  return out;
}

/** The point that 32 bytes encode, in its one encoding; null for any other bytes. */
function decompress(bytes: Uint8Array): Point | null {
  const encoded = toInteger(bytes);
  const sign = encoded >> 255n;
  const y = encoded & ((1n << 255n) - 1n);
  if (y >= P) return null;
  const y2 = mod(y * y);
  const u = mod(y2 - 1n);
  const v = mod(D * y2 + 1n);
  const v3 = mod(v * v * v);
  let x = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n));
  const check = mod(v * x * x);
  if (check !== u) {
    if (check !== mod(-u)) return null;
    x = mod(x * SQRT_M1);
  }
  if (x === 0n && sign === 1n) return null;
  if ((x & 1n) !== sign) x = P - x;
  return { x, y, z: 1n, t: mod(x * y) };
}

function compress(p: Point): Bytes {
  const inverse = power(p.z, P - 2n);
  const x = mod(p.x * inverse);
  return fromInteger(mod(p.y * inverse) | ((x & 1n) << 255n));
}

function isLowOrder(p: Point): boolean {
  const q = double(double(double(p)));
  return mod(q.x) === 0n && mod(q.y - q.z) === 0n;
}

/** Whether 32 bytes are a key that may be used: the one encoding of a point that is not of low order. */
export function isUsableKey(key: Uint8Array): boolean {
  const point = key.length === 32 ? decompress(key) : null;
  return point !== null && !isLowOrder(point);
}

/** Whether R of a signature is the one encoding of a point that is not of low order: what strict verification adds. */
export function hasStrictR(signature: Uint8Array): boolean {
  return isUsableKey(signature.subarray(0, 32));
}

/** Whether the first 32 bytes of a signature can be what a verifier computes: implementations of WebCrypto differ on others. */
export function isCanonicalR(signature: Uint8Array): boolean {
  const encoded = toInteger(signature.subarray(0, 32));
  const y = encoded & ((1n << 255n) - 1n);
  return y < P && !(encoded >> 255n === 1n && (y === 1n || y === P - 1n));
}

/** Verifies without WebCrypto, for pages from plain http. About 500 a second. */
export function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64 || key.length !== 32) return false;
  const point = decompress(key);
  const s = toInteger(signature.subarray(32));
  if (point === null || s >= L) return false;
  const r = signature.subarray(0, 32);
  const k = toInteger(sha512(r, key, message)) % L;
  return equalBytes(compress(combine(s, BASE, k, negate(point))), r);
}
