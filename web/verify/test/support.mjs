// What several tests need: vectors, keys made from seeds, signed notes, JSON without bigint.

import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

import { encodeBase64, encodeHex, concat, u64 } from "../dist/bytes.js";
import { sha256 } from "../dist/sha256.js";
import { VerifyError } from "../dist/index.js";
import { REASON_CLASSES } from "./internals.mjs";

export const VECTORS = new URL("../../../tests/vectors/", import.meta.url);
export const FILES = new URL("./files/", import.meta.url);

export const bytesOf = (path, base = VECTORS) => new Uint8Array(readFileSync(new URL(path, base)));
export const textOf = (path, base = VECTORS) => readFileSync(new URL(path, base), "utf8");
export const jsonOf = (path, base = VECTORS) => JSON.parse(textOf(path, base));
/** JSON with 64-bit integers: those beyond 2^53 become bigint. */
export const bigJsonOf = (path, base = VECTORS) =>
  JSON.parse(textOf(path, base).replace(/([:[,\s])(\d{16,})(?=[,\s\]}])/g, '$1"big:$2"'),
    (_, value) => (typeof value === "string" && value.startsWith("big:") ? BigInt(value.slice(4)) : value));

export const utf8 = (text) => new TextEncoder().encode(text);

/** Fails unless `read` is refused; returns the refusal. Anything but a VerifyError is a bug. */
export async function refused(read) {
  try {
    await read();
  } catch (error) {
    assert.ok(error instanceof VerifyError, `not a VerifyError: ${error.stack ?? error}`);
    assert.ok(REASON_CLASSES.includes(error.reason));
    return error;
  }
  return assert.fail("it was accepted");
}

/** The class of the refusal, or null if it was accepted. */
export async function outcome(read) {
  try {
    await read();
    return null;
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return error.reason;
  }
}

/** A signing key for tests: name, type and seed. */
export class TestKey {
  constructor(name, type, seed) {
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(seed)]);
    this.secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const spki = createPublicKey(this.secret).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(-32));
    this.name = name;
    this.type = type;
    this.id = sha256(concat(utf8(name), Uint8Array.of(10, type), this.publicKey)).subarray(0, 4);
    this.vkey = TestKey.vkeyOf(this);
  }

  /** The vkey of any bytes, with the id that they give. */
  static vkeyOf({ name, type, publicKey }) {
    const id = sha256(concat(utf8(name), Uint8Array.of(10, type), publicKey)).subarray(0, 4);
    return `${name}+${encodeHex(id)}+${encodeBase64(concat(Uint8Array.of(type), publicKey))}`;
  }

  raw(message) {
    return new Uint8Array(sign(null, message, this.secret));
  }

  line(payload) {
    return `\u2014 ${this.name} ${encodeBase64(concat(this.id, payload))}\n`;
  }

  /** The signature line over a text, with a time for type 0x04. */
  sign(text, time = 1_767_225_600n) {
    if (this.type === 1) return this.line(this.raw(utf8(text)));
    return this.line(concat(u64(time), this.raw(utf8(`cosignature/v1\ntime ${time}\n${text}`))));
  }

  note(text, time) {
    return `${text}\n${this.sign(text, time)}`;
  }
}

export const seed = (byte) => new Uint8Array(32).fill(byte);

/** A generator of pseudo-random numbers: the same seed gives the same numbers. */
export function random(state) {
  let s = state >>> 0;
  return (below) => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A value as JSON with bigint, bytes and maps in a readable form: for comparing results. */
export const canonical = (value) => JSON.stringify(value, (_, one) =>
  typeof one === "bigint" ? `${one}n` : one instanceof Uint8Array ? encodeHex(one) : one);
