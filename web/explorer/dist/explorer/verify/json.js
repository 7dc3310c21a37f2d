import { decodeBase64, decodeHex, decodeUtf8 } from "./bytes.js";
import { checkBytes, refuse } from "./errors.js";
export class Real {
    constructor(value) {
        this.value = value;
    }
}
const MAX_DEPTH = 127;
export function parseJson(bytes) {
    const text = decodeUtf8(bytes);
    return text === null ? undefined : parseJsonText(text);
}
export function parseWithin(bytes, most) {
    return parseJson(checkLength(bytes, most));
}
export function checkLength(bytes, most) {
    checkBytes("too-large", "the file", bytes.length, most);
    return bytes;
}
export function parseJsonText(text) {
    const parser = new Parser(text);
    try {
        return parser.whole();
    }
    catch (error) {
        if (error === MALFORMED)
            return undefined;
        throw error;
    }
}
const MALFORMED = Symbol("malformed JSON");
const SPACE = /[ \n\r\t]*/y;
const SCALAR = /true|false|null|-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
class Parser {
    #at = 0;
    constructor(text) {
        this.text = text;
    }
    whole() {
        const value = this.#value(0);
        this.#space();
        if (this.#at !== this.text.length)
            throw MALFORMED;
        return value;
    }
    #space() {
        SPACE.lastIndex = this.#at;
        SPACE.test(this.text);
        this.#at = SPACE.lastIndex;
    }
    #value(depth) {
        this.#space();
        switch (this.text[this.#at]) {
            case "{": return this.#object(depth + 1);
            case "[": return this.#array(depth + 1);
            case '"': return this.#string();
            default: return this.#scalar();
        }
    }
    #object(depth) {
        const out = Object.create(null);
        this.#items(depth, "}", () => {
            this.#space();
            if (this.text[this.#at] !== '"')
                throw MALFORMED;
            const name = this.#string();
            this.#space();
            if (this.text[this.#at++] !== ":" || name in out)
                throw MALFORMED;
            out[name] = this.#value(depth);
        });
        return out;
    }
    #array(depth) {
        const out = [];
        this.#items(depth, "]", () => out.push(this.#value(depth)));
        return out;
    }
    #items(depth, end, item) {
        if (depth > MAX_DEPTH)
            throw MALFORMED;
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
            if (next === end)
                return;
            if (next !== ",")
                throw MALFORMED;
        }
    }
    #string() {
        const from = this.#at;
        let end = from;
        for (let slashes = 1; slashes % 2 === 1;) {
            end = this.text.indexOf('"', end + 1);
            if (end < 0)
                throw MALFORMED;
            for (slashes = 0; this.text[end - 1 - slashes] === "\\";)
                slashes++;
        }
        this.#at = end + 1;
        let out;
        try {
            out = JSON.parse(this.text.slice(from, this.#at));
        }
        catch {
            throw MALFORMED;
        }
        if (/\p{Surrogate}/u.test(out))
            throw MALFORMED;
        return out;
    }
    #scalar() {
        SCALAR.lastIndex = this.#at;
        const match = SCALAR.exec(this.text);
        if (match === null)
            throw MALFORMED;
        this.#at = SCALAR.lastIndex;
        const value = JSON.parse(match[0]);
        if (typeof value !== "number")
            return value;
        if (!Number.isFinite(value))
            throw MALFORMED;
        if (match[1] !== undefined || match[2] !== undefined || match[0] === "-0")
            return new Real(value);
        if (Number.isSafeInteger(value))
            return value;
        if (match[0].length > 20)
            return new Real(value);
        const exact = BigInt(match[0]);
        return exact >= -(1n << 63n) && exact < 1n << 64n ? exact : new Real(value);
    }
}
export function toJsonValue(value) {
    if (value instanceof Real)
        return value.value;
    if (Array.isArray(value))
        return value.map(toJsonValue);
    if (typeof value === "object" && value !== null) {
        const out = Object.create(null);
        for (const name of Object.keys(value))
            out[name] = toJsonValue(value[name]);
        return out;
    }
    return value;
}
export function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Real);
}
export function readMembers(value, what, shape) {
    if (!isObject(value))
        refuse("format", `${what} is not a JSON object`);
    for (const name of Object.keys(value))
        if (!Object.hasOwn(shape, name))
            refuse("format", `${what} has an unknown member`);
    const read = Object.entries(shape).map(([name, reader]) => [name, reader(value[name], (expected) => refuse("format", `the member \`${name}\` of ${what} is ${name in value ? `not ${expected}` : "missing"}`))]);
    return Object.fromEntries(read);
}
export const anything = (value, no) => value ?? (value === null ? null : no("there"));
export const string = (value, no) => (typeof value === "string" ? value : no("a string"));
export const format = (name) => (value, no) => (value === name ? name : no(`\`${name}\``));
export const u64 = (value, no) => {
    const isWhole = typeof value === "number" || typeof value === "bigint";
    return isWhole && value >= 0 ? BigInt(value) : no("a whole number");
};
export const base64 = (value, no) => (typeof value === "string" ? decodeBase64(value) : null) ?? no("base64");
export const hash = (value, no) => (typeof value === "string" && value.length === 64 ? decodeHex(value) : null) ?? no("a hash of 64 hexadecimal digits");
export const list = (one) => (value, no) => Array.isArray(value) ? value.map((each) => one(each, (expected) => no(`a list whose items are each ${expected}`))) : no("a list");
export const optional = (one) => (value, no) => value === undefined || value === null ? null : one(value, no);
export const listOrNone = (one) => (value, no) => value === undefined ? [] : list(one)(value, no);
export const object = (what, shape) => (value) => readMembers(value, what, shape);
