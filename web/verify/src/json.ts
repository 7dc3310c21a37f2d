// JSON (RFC 8259) as evidence is read: no name twice in an object, bounded depth, valid UTF-8 and no lone surrogates, integers
// told apart from other numbers. JSON.parse takes the last of two values for one name, and another reader may take the first.

import { decodeBase64, decodeHex, decodeUtf8, type Bytes } from "./bytes.js";
import { checkBytes, refuse } from "./errors.js";

/** A number with a fraction or an exponent, or beyond 64 bits. */
export class Real {
  constructor(readonly value: number) {}
}

/** A value as parsed: integers up to 2^53 are numbers, larger ones bigint, other numbers {@link Real}. */
export type Parsed = null | boolean | number | bigint | Real | string | Parsed[] | ParsedObject;

/** An object as parsed; it has no prototype. */
export interface ParsedObject { [name: string]: Parsed }

/** A value as callers get it. Integers beyond 2^53 are bigint. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | { [name: string]: JsonValue };

/** How deep values may nest. */
const MAX_DEPTH = 127;

/** Parses JSON bytes; undefined if they are anything else. */
export function parseJson(bytes: Uint8Array): Parsed | undefined {
  const text = decodeUtf8(bytes);
  return text === null ? undefined : parseJsonText(text);
}

/** Parses the JSON of a file of a kind that has at most so many bytes. */
export function parseWithin(bytes: Uint8Array, most: number): Parsed | undefined {
  return parseJson(checkLength(bytes, most));
}

/** Refuses a file that is too long for its kind. */
export function checkLength(bytes: Uint8Array, most: number): Uint8Array {
  checkBytes("too-large", "the file", bytes.length, most);
  return bytes;
}

/** Parses a JSON text; undefined if it is anything else. */
export function parseJsonText(text: string): Parsed | undefined {
  const parser = new Parser(text);
  try {
    return parser.whole();
  } catch (error) {
    if (error === MALFORMED) return undefined;
    throw error;
  }
}

const MALFORMED = Symbol("malformed JSON");
const SPACE = /[ \n\r\t]*/y;
const SCALAR = /true|false|null|-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;

class Parser {
  #at = 0;

  constructor(private readonly text: string) {}

  whole(): Parsed {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.text.length) throw MALFORMED;
    return value;
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.test(this.text);
    this.#at = SPACE.lastIndex;
  }

  #value(depth: number): Parsed {
    this.#space();
    switch (this.text[this.#at]) {
      case "{": return this.#object(depth + 1);
      case "[": return this.#array(depth + 1);
      case '"': return this.#string();
      default: return this.#scalar();
    }
  }

  #object(depth: number): ParsedObject {
    const out: ParsedObject = Object.create(null);
    this.#items(depth, "}", () => {
      this.#space();
      if (this.text[this.#at] !== '"') throw MALFORMED;
      const name = this.#string();
      this.#space();
      if (this.text[this.#at++] !== ":" || name in out) throw MALFORMED;
      out[name] = this.#value(depth);
    });
    return out;
  }

  #array(depth: number): Parsed[] {
    const out: Parsed[] = [];
    this.#items(depth, "]", () => out.push(this.#value(depth)));
    return out;
  }

  /** What stands between two brackets, parted by commas. */
  #items(depth: number, end: string, item: () => void): void {
    if (depth > MAX_DEPTH) throw MALFORMED;
    this.#at++;
    this.#space();
    if (this.text[this.#at] === end) {
      this.#at++;
      return;
    }
    for (;;) {
      item();
      this.#space();
      const next = this.text[this.#at++];
      if (next === end) return;
      if (next !== ",") throw MALFORMED;
    }
  }

  #string(): string {
    // To the quote that ends it: one behind an odd number of backslashes does not.
    const from = this.#at;
    let end = from;
    for (let slashes = 1; slashes % 2 === 1;) {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) throw MALFORMED;
      for (slashes = 0; this.text[end - 1 - slashes] === "\\";) slashes++;
    }
    this.#at = end + 1;
    let out: string;
    try {
      out = JSON.parse(this.text.slice(from, this.#at)) as string;
    } catch {
      throw MALFORMED;
    }
    // A surrogate that an escape put alone names no character.
    if (/\p{Surrogate}/u.test(out)) throw MALFORMED;
    return out;
  }

  /** A number, true, false or null. */
  #scalar(): Parsed {
    SCALAR.lastIndex = this.#at;
    const match = SCALAR.exec(this.text);
    if (match === null) throw MALFORMED;
    this.#at = SCALAR.lastIndex;
    const value = JSON.parse(match[0]) as number | boolean | null;
    if (typeof value !== "number") return value;
    if (!Number.isFinite(value)) throw MALFORMED;
    if (match[1] !== undefined || match[2] !== undefined || match[0] === "-0") return new Real(value);
    if (Number.isSafeInteger(value)) return value;
    // No integer of 64 bits has more characters, and parsing a longer one takes quadratic time.
    if (match[0].length > 20) return new Real(value);
    const exact = BigInt(match[0]);
    return exact >= -(1n << 63n) && exact < 1n << 64n ? exact : new Real(value);
  }
}

/** A parsed value as callers get it. */
export function toJsonValue(value: Parsed): JsonValue {
  if (value instanceof Real) return value.value;
  if (Array.isArray(value)) return value.map(toJsonValue);
  if (typeof value === "object" && value !== null) {
    const out: { [name: string]: JsonValue } = Object.create(null);
    for (const name of Object.keys(value)) out[name] = toJsonValue(value[name]!);
    return out;
  }
  return value;
}

/** Whether a parsed value is an object. */
export function isObject(value: Parsed | undefined): value is ParsedObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Real);
}

/** Reads a member, or calls `no` with what it should have been. A member that is missing is undefined. */
export type Reader<T> = (value: Parsed | undefined, no: (expected: string) => never) => T;

/** The members of an object of a file format: how each is read. */
export interface Shape { readonly [name: string]: Reader<unknown> }

/** What is read by a shape. */
export type Members<S extends Shape> = { readonly [name in keyof S]: ReturnType<S[name]> };

/** Reads an object of a file format. Unknown and missing members are refused by name. */
export function readMembers<S extends Shape>(value: Parsed | undefined, what: string, shape: S): Members<S> {
  if (!isObject(value)) refuse("format", `${what} is not a JSON object`);
  for (const name of Object.keys(value)) if (!Object.hasOwn(shape, name)) refuse("format", `${what} has an unknown member`);
  const read = Object.entries(shape).map(([name, reader]) => [name, reader(value[name], (expected) =>
    refuse("format", `the member \`${name}\` of ${what} is ${name in value ? `not ${expected}` : "missing"}`))]);
  return Object.fromEntries(read) as Members<S>;
}

/** A member as parsed. */
export const anything: Reader<Parsed> = (value, no) => value ?? (value === null ? null : no("there"));

export const string: Reader<string> = (value, no) => (typeof value === "string" ? value : no("a string"));

/** The `format` of a file. */
export const format = (name: string): Reader<string> => (value, no) => (value === name ? name : no(`\`${name}\``));

export const u64: Reader<bigint> = (value, no) => {
  const isWhole = typeof value === "number" || typeof value === "bigint";
  return isWhole && value >= 0 ? BigInt(value) : no("a whole number");
};

export const base64: Reader<Bytes> = (value, no) => (typeof value === "string" ? decodeBase64(value) : null) ?? no("base64");

/** 64 hexadecimal digits. */
export const hash: Reader<Bytes> = (value, no) =>
  (typeof value === "string" && value.length === 64 ? decodeHex(value) : null) ?? no("a hash of 64 hexadecimal digits");

export const list = <T>(one: Reader<T>): Reader<T[]> => (value, no) =>
  Array.isArray(value) ? value.map((each) => one(each, (expected) => no(`a list whose items are each ${expected}`))) : no("a list");

/** A member that may be missing or null. */
export const optional = <T>(one: Reader<T>): Reader<T | null> => (value, no) => value === undefined || value === null ? null : one(value, no);

/** A list that may be missing, but not null. */
export const listOrNone = <T>(one: Reader<T>): Reader<T[]> => (value, no) => value === undefined ? [] : list(one)(value, no);

/** An object in an object. */
export const object = <S extends Shape>(what: string, shape: S): Reader<Members<S>> => (value) => readMembers(value, what, shape);
