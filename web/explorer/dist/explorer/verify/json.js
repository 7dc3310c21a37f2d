import { decodeBase64, decodeHex, decodeUtf8 } from "./bytes.js";
import { refuse } from "./errors.js";
export class Real {
    value;
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
    return bytes.length <= most ? bytes : refuse("too-large", `the file has more than ${most} bytes`);
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
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES = {
    '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};
class Parser {
    text;
    at = 0;
    constructor(text) {
        this.text = text;
    }
    whole() {
        const value = this.value(0);
        this.space();
        if (this.at !== this.text.length)
            throw MALFORMED;
        return value;
    }
    space() {
        for (;;) {
            const code = this.text.charCodeAt(this.at);
            if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09)
                return;
            this.at++;
        }
    }
    value(depth) {
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
    word(word, value) {
        if (!this.text.startsWith(word, this.at))
            throw MALFORMED;
        this.at += word.length;
        return value;
    }
    object(depth) {
        if (depth > MAX_DEPTH)
            throw MALFORMED;
        const out = Object.create(null);
        this.at++;
        this.space();
        if (this.text[this.at] === "}") {
            this.at++;
            return out;
        }
        for (;;) {
            this.space();
            if (this.text[this.at] !== '"')
                throw MALFORMED;
            const name = this.string();
            this.space();
            if (this.text[this.at++] !== ":" || name in out)
                throw MALFORMED;
            const value = this.value(depth);
            Object.defineProperty(out, name, { value, writable: true, enumerable: true, configurable: true });
            this.space();
            const next = this.text[this.at++];
            if (next === "}")
                return out;
            if (next !== ",")
                throw MALFORMED;
        }
    }
    array(depth) {
        if (depth > MAX_DEPTH)
            throw MALFORMED;
        const out = [];
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
            if (next === "]")
                return out;
            if (next !== ",")
                throw MALFORMED;
        }
    }
    string() {
        this.at++;
        let out = "";
        for (;;) {
            PLAIN.lastIndex = this.at;
            const plain = PLAIN.exec(this.text)[0];
            out += plain;
            this.at += plain.length;
            const next = this.text[this.at++];
            if (next === '"')
                break;
            if (next !== "\\")
                throw MALFORMED;
            out += this.escape();
        }
        if (/[\ud800-\udfff]/.test(out) && /(?:[\ud800-\udbff](?![\udc00-\udfff]))|(?:(?<![\ud800-\udbff])[\udc00-\udfff])/.test(out)) {
            throw MALFORMED;
        }
        return out;
    }
    escape() {
        const letter = this.text[this.at++] ?? "";
        if (letter === "u") {
            const digits = this.text.slice(this.at, this.at + 4);
            if (!/^[0-9a-fA-F]{4}$/.test(digits))
                throw MALFORMED;
            this.at += 4;
            return String.fromCharCode(parseInt(digits, 16));
        }
        const plain = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
        if (plain === undefined)
            throw MALFORMED;
        return plain;
    }
    number() {
        NUMBER.lastIndex = this.at;
        const match = NUMBER.exec(this.text);
        if (match === null)
            throw MALFORMED;
        this.at += match[0].length;
        const value = Number(match[0]);
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
export class Fields {
    what;
    raw;
    constructor(value, what, required, optional = []) {
        this.what = what;
        if (!isObject(value))
            refuse("format", `${what} is not a JSON object`);
        for (const name of required)
            if (!(name in value))
                refuse("format", `${what} lacks the member \`${name}\``);
        for (const name of Object.keys(value)) {
            if (!required.includes(name) && !optional.includes(name))
                refuse("format", `${what} has an unknown member`);
        }
        this.raw = value;
    }
    has(name) {
        return name in this.raw && this.raw[name] !== null;
    }
    get(name) {
        return this.raw[name];
    }
    string(name) {
        const value = this.raw[name];
        return typeof value === "string" ? value : this.wrong(name, "a string");
    }
    u64(name) {
        return this.asU64(this.raw[name], name);
    }
    list(name) {
        const value = this.raw[name];
        return Array.isArray(value) ? value : this.wrong(name, "a list");
    }
    strings(name) {
        return this.list(name).map((one) => (typeof one === "string" ? one : this.wrong(name, "a list of strings")));
    }
    base64s(name) {
        return this.strings(name).map((one) => decodeBase64(one) ?? this.wrong(name, "a list of base64"));
    }
    base64(name) {
        return decodeBase64(this.string(name)) ?? this.wrong(name, "base64");
    }
    hash(name) {
        return hashOf(this.string(name)) ?? this.wrong(name, "a hash of 64 hexadecimal digits");
    }
    hashes(name) {
        return this.strings(name).map((one) => hashOf(one) ?? this.wrong(name, "a list of hashes"));
    }
    asU64(value, name) {
        if (typeof value === "number" && value >= 0)
            return BigInt(value);
        if (typeof value === "bigint" && value >= 0n)
            return value;
        return this.wrong(name, "a whole number");
    }
    wrong(name, expected) {
        return refuse("format", `the member \`${name}\` of ${this.what} is not ${expected}`);
    }
}
function hashOf(text) {
    return text.length === 64 ? decodeHex(text) : null;
}
