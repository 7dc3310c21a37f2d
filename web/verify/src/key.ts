// Keys as vkeys spell them (C2SP signed-note), key names and origins.

import { concat, decodeBase64, encodeBase64, encodeHex, encodeUtf8, utf8Length, type Bytes } from "./bytes.js";
import { isUsableKey } from "./ed25519.js";
import { checkBytes, refuse } from "./errors.js";
import { sha256 } from "./sha256.js";

/** 0x01 signs a note, 0x04 a checkpoint with a time (both Ed25519), 0x06 a tree head with a time (ML-DSA-44). */
export type KeyType = 0x01 | 0x04 | 0x06;

/** Longest key name and origin, in bytes: a length byte of a cosigned message holds no more. */
export const MAX_NAME_BYTES = 255;

const MAX_VKEY_BYTES = MAX_NAME_BYTES + 1 + 8 + 1 + 1752;
const PUBLIC_KEY_BYTES: { readonly [type: number]: number } = { 0x01: 32, 0x04: 32, 0x06: 1312 };

/** A public key with its name, id and type. */
export interface VerifyingKey {
  readonly name: string;
  /** Eight lowercase hexadecimal digits. */
  readonly id: string;
  readonly type: KeyType;
  readonly publicKey: Bytes;
  /** The one text of the key. Two keys are the same key if their vkeys are equal. */
  readonly vkey: string;
}

/** Refuses a text that may not be the name of a key. */
export function checkKeyName(name: string): void {
  checkName("key name", name);
  if (/[+\p{White_Space}\p{Cc}]/u.test(name)) refuse("key", "the key name holds white space, a control character or '+'");
}

function checkName(what: string, name: string): void {
  if (name === "" || utf8Length(name) > MAX_NAME_BYTES) refuse("key", `the ${what} does not have 1 to ${MAX_NAME_BYTES} bytes`);
}

/** Refuses a text that may not name a log. */
export function checkOrigin(origin: string): void {
  checkName("origin", origin);
  if (/[\u0000-\u001f]/.test(origin)) refuse("key", "the origin holds a control character");
  // The first lines of other signed formats: under a shared key, such a checkpoint could be read as a cosignature.
  if (origin === "cosignature/v1" || origin === "subtree/v1") refuse("key", "the origin is reserved");
}

/** SHA-256(name || LF || type || public key), the first four bytes. */
function keyId(name: string, type: number, publicKey: Uint8Array): string {
  const hash = sha256(concat(encodeUtf8(name), Uint8Array.of(0x0a, type), publicKey));
  return encodeHex(hash.subarray(0, 4));
}

const known = new Map<string, VerifyingKey>();
const MAX_KNOWN = 4096;

/** Reads a vkey: `<name>+<8 hex digits>+<base64 of type and key>`. The id must be the one that name, type and key give. */
export function parseVkey(vkey: string): VerifyingKey {
  const cached = known.get(vkey);
  if (cached !== undefined) return cached;
  const key = read(vkey);
  // Whether a key is a point of the curve takes long to find out, and a log names the same keys again and again.
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(vkey, key);
  return key;
}

function read(vkey: string): VerifyingKey {
  checkBytes("key", "the vkey", utf8Length(vkey), MAX_VKEY_BYTES);
  // Names hold no '+', base64 does: split at the first two.
  const first = vkey.indexOf("+");
  const second = vkey.indexOf("+", first + 1);
  if (first < 0 || second < 0) refuse("key", "a vkey has the form <name>+<8 hex digits>+<base64>");
  const [name, id, text] = [vkey.slice(0, first), vkey.slice(first + 1, second), vkey.slice(second + 1)];
  checkKeyName(name);
  if (!/^[0-9a-f]{8}$/.test(id)) refuse("key", "the key id is not eight lowercase hexadecimal digits");
  const bytes = decodeBase64(text);
  if (bytes === null || bytes.length === 0) refuse("key", "the key is not canonical base64 of a type and a key");
  const type = bytes[0]!;
  const publicKey = bytes.slice(1);
  const length = PUBLIC_KEY_BYTES[type];
  if (length === undefined) refuse("key", `keys of type ${type} are not supported`);
  if (publicKey.length !== length) refuse("key", `a key of type ${type} has ${length} bytes`);
  if (type !== 0x06 && !isUsableKey(publicKey)) refuse("key", "the key is no point, of low order, or in a second encoding");
  if (keyId(name, type, publicKey) !== id) refuse("key", "the key id is not the one that name, type and key give");
  return { name, id, type: type as KeyType, publicKey, vkey: `${name}+${id}+${encodeBase64(bytes)}` };
}

/** Whether two keys are the same: name, type and public key. */
export function sameKey(one: VerifyingKey, other: VerifyingKey): boolean {
  return one.vkey === other.vkey;
}

/** The public key alone: what makes two vkeys one party in a policy. */
export function partyOf(key: VerifyingKey): string {
  return encodeBase64(key.publicKey);
}
