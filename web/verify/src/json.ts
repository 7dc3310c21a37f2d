// JSON (RFC 8259) as evidence is read: no name twice in an object, bounded depth, valid UTF-8 and no lone surrogates, integers
// told apart from other numbers. JSON.parse takes the last of two values for one name, and another reader may take the first.

import { decodeBase64, decodeHex, decodeUtf8, type Bytes } from "./bytes.js";
import { refuse } from "./errors.js";

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
  return bytes.length <= most ? bytes : refuse("too-large", `the file has more than ${most} bytes`);
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
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: { readonly [letter: string]: string } = {
  '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};

class Parser {
  private at = 0;

  constructor(private readonly text: string) {}

  whole(): Parsed {
    const value = this.value(0);
    this.space();
    if (this.at !== this.text.length) throw MALFORMED;
    return value;
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  private value(depth: number): Parsed {
    this.space();
    switch (this.text[this.at]) {
      case "{": return this.object(depth + 1);
      case "[": return this.array(depth + 1);
      case '"': return this.string();
      case "t": return this.word("true", true);
      case "f": return this.word("false", false);
      case "n": return this.word("null", null);
      default: return this.number();
    }
  }

  private word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw MALFORMED;
    this.at += word.length;
    return value;
  }

  private object(depth: number): ParsedObject {
    if (depth > MAX_DEPTH) throw MALFORMED;
    const out: ParsedObject = Object.create(null);
    this.at++;
    this.space();
    if (this.text[this.at] === "}") {
      this.at++;
      return out;
    }
    for (;;) {
      this.space();
      if (this.text[this.at] !== '"') throw MALFORMED;
      const name = this.string();
      this.space();
      if (this.text[this.at++] !== ":" || name in out) throw MALFORMED;
      const value = this.value(depth);
      Object.defineProperty(out, name, { value, writable: true, enumerable: true, configurable: true });
      this.space();
      const next = this.text[this.at++];
      if (next === "}") return out;
      if (next !== ",") throw MALFORMED;
    }
  }

  private array(depth: number): Parsed[] {
    if (depth > MAX_DEPTH) throw MALFORMED;
    const out: Parsed[] = [];
    this.at++;
    this.space();
    if (this.text[this.at] === "]") {
      this.at++;
      return out;
    }
    for (;;) {
      out.push(this.value(depth));
      this.space();
      const next = this.text[this.at++];
      if (next === "]") return out;
      if (next !== ",") throw MALFORMED;
    }
  }

  private string(): string {
    this.at++;
    let out = "";
    for (;;) {
      PLAIN.lastIndex = this.at;
      const plain = PLAIN.exec(this.text)![0];
      out += plain;
      this.at += plain.length;
      const next = this.text[this.at++];
      if (next === '"') break;
      if (next !== "\\") throw MALFORMED;
      out += this.escape();
    }
    // A surrogate that an escape put alone names no character.
    if (/[\ud800-\udfff]/.test(out) && /(?:[\ud800-\udbff](?![\udc00-\udfff]))|(?:(?<![\ud800-\udbff])[\udc00-\udfff])/.test(out)) {
      throw MALFORMED;
    }
    return out;
  }

  private escape(): string {
    const letter = this.text[this.at++] ?? "";
    if (letter === "u") {
      const digits = this.text.slice(this.at, this.at + 4);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw MALFORMED;
      this.at += 4;
      return String.fromCharCode(parseInt(digits, 16));
    }
    const plain = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (plain === undefined) throw MALFORMED;
    return plain;
  }

  private number(): Parsed {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (match === null) throw MALFORMED;
    this.at += match[0].length;
    const value = Number(match[0]);
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

/** Reads the members of an object of a file format. Unknown and missing members are refused by name. */
export class Fields {
  /** The object, for members whose absence differs from null. */
  readonly raw: ParsedObject;

  constructor(value: Parsed | undefined, private readonly what: string, required: readonly string[], optional: readonly string[] = []) {
    if (!isObject(value)) refuse("format", `${what} is not a JSON object`);
    for (const name of required) if (!(name in value)) refuse("format", `${what} lacks the member \`${name}\``);
    for (const name of Object.keys(value)) {
      if (!required.includes(name) && !optional.includes(name)) refuse("format", `${what} has an unknown member`);
    }
    this.raw = value;
  }

  /** Whether an optional member is there; null counts as absent. */
  has(name: string): boolean {
    return name in this.raw && this.raw[name] !== null;
  }

  get(name: string): Parsed {
    return this.raw[name]!;
  }

  string(name: string): string {
    const value = this.raw[name];
    return typeof value === "string" ? value : this.wrong(name, "a string");
  }

  u64(name: string): bigint {
    return this.asU64(this.raw[name], name);
  }

  list(name: string): Parsed[] {
    const value = this.raw[name];
    return Array.isArray(value) ? value : this.wrong(name, "a list");
  }

  strings(name: string): string[] {
    return this.list(name).map((one) => (typeof one === "string" ? one : this.wrong(name, "a list of strings")));
  }

  /** A list of byte strings in base64. */
  base64s(name: string): Bytes[] {
    return this.strings(name).map((one) => decodeBase64(one) ?? this.wrong(name, "a list of base64"));
  }

  base64(name: string): Bytes {
    return decodeBase64(this.string(name)) ?? this.wrong(name, "base64");
  }

  hash(name: string): Bytes {
    return hashOf(this.string(name)) ?? this.wrong(name, "a hash of 64 hexadecimal digits");
  }

  hashes(name: string): Bytes[] {
    return this.strings(name).map((one) => hashOf(one) ?? this.wrong(name, "a list of hashes"));
  }

  private asU64(value: Parsed | undefined, name: string): bigint {
    if (typeof value === "number" && value >= 0) return BigInt(value);
    if (typeof value === "bigint" && value >= 0n) return value;
    return this.wrong(name, "a whole number");
  }

  private wrong(name: string, expected: string): never {
    return refuse("format", `the member \`${name}\` of ${this.what} is not ${expected}`);
  }
}

function hashOf(text: string): Bytes | null {
  return text.length === 64 ? decodeHex(text) : null;
}
