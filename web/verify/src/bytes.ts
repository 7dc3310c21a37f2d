// Bytes and their texts: UTF-8, base64, base64url, hexadecimal, decimals. Every decoder accepts one spelling only.

/** Bytes in memory of their own, as WebCrypto wants them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const UTF8 = new TextEncoder();

/** The text of UTF-8 bytes, or null. A byte order mark is a character like any other. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return STRICT_UTF8.decode(bytes);
  } catch {
    return null;
  }
}

/** The UTF-8 bytes of a text. */
export function encodeUtf8(text: string): Bytes {
  return UTF8.encode(text) as Bytes;
}

/** How many bytes of UTF-8 a text has. */
export const utf8Length = (text: string): number => encodeUtf8(text).length;

/** RFC 4648 section 4 with padding required and trailing bits zero; null for any other text. */
export function decodeBase64(text: string): Bytes | null {
  let decoded;
  try {
    decoded = atob(text);
  } catch {
    return null;
  }
  // `atob` also takes other spellings: with spaces, without padding, with bits after the last byte.
  if (btoa(decoded) !== text) return null;
  const out = new Uint8Array(decoded.length);
  for (let at = 0; at < out.length; at++) out[at] = decoded.charCodeAt(at);
  return out;
}

/** RFC 7515 section 2: base64url without padding, trailing bits zero; null for any other text. */
export function decodeBase64Url(text: string): Bytes | null {
  if (/[+/=]/.test(text)) return null;
  return decodeBase64(text.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat((4 - (text.length % 4)) % 4));
}

/** Base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let units = "";
  for (const byte of bytes) units += String.fromCharCode(byte);
  return btoa(units);
}

/** Base64url without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Lowercase hexadecimal digits. */
export function encodeHex(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += byte.toString(16).padStart(2, "0");
  return out;
}

/** The bytes of lowercase hexadecimal digits, or null. */
export function decodeHex(text: string): Bytes | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null;
  const out = new Uint8Array(text.length / 2);
  for (let at = 0; at < out.length; at++) out[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return out;
}

const U64_MAX = (1n << 64n) - 1n;

/** A decimal of 64 bits without sign and without leading zeros, or null. */
export function parseDecimal(text: string): bigint | null {
  if (text.length > 20 || !/^(0|[1-9][0-9]*)$/.test(text)) return null;
  const value = BigInt(text);
  return value <= U64_MAX ? value : null;
}

/** Whether two byte strings are equal. Nothing compared here is secret. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** The byte strings one after the other. */
export function concat(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Eight bytes, big-endian. */
export function u64(value: bigint): Bytes {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, value);
  return out;
}

/** A big-endian number of at most six bytes. */
export function readUint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  // The last four bytes at once, as integers: an audit reads four such numbers of each entry.
  const low = length < 4 ? at + length : at + length - 4;
  for (let place = at; place < low; place++) value = value * 256 + bytes[place]!;
  if (length < 4) return value;
  return value * 0x1_0000_0000 + (((bytes[low]! << 24) | (bytes[low + 1]! << 16) | (bytes[low + 2]! << 8) | bytes[low + 3]!) >>> 0);
}
