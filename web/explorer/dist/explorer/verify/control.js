import { parseDecimal, utf8Length } from "./bytes.js";
import { MAX_CONTROL_NOTE_BYTES } from "./entry.js";
import { checkBytes, orNull, recast, refusalIn, refuse, UnsignedNote } from "./errors.js";
import { checkKeyName, checkOrigin, parseVkey, sameKey } from "./key.js";
import { parseNote, verifyNote } from "./note.js";
const MAX_REASON_BYTES = 512;
const MAX_TIME = 2n ** 48n - 1n;
const MAX_STREAM = 2n ** 40n - 1n;
const MAX_STREAM_SIZE = 2n ** 48n;
export class Lines {
    #lines;
    constructor(text, title) {
        this.#lines = text.slice(0, -1).split("\n");
        if (this.#lines.shift() !== title)
            refuse("note", `the note is not a \`${title}\` note`);
    }
    value(word) {
        const line = this.#lines.shift();
        const value = line !== undefined && line.startsWith(`${word} `) ? line.slice(word.length + 1) : "";
        return value === "" ? refuse("note", `the note lacks the line \`${word}\``) : value;
    }
    log(origin) {
        if (this.value("log") !== origin)
            refuse("note", "the note is for another log");
    }
    vkey(word, type) {
        const key = recast("note", `the key after \`${word}\` is rejected`, () => parseVkey(this.value(word)));
        return key.type === type ? key : refuse("note", `the key after \`${word}\` is of the wrong type`);
    }
    reason() {
        const reason = this.value("reason");
        return utf8Length(reason) > MAX_REASON_BYTES ? refuse("note", "the reason is too long") : reason;
    }
    time(word) {
        const value = parseDecimal(this.value(word));
        return value !== null && value <= MAX_TIME ? Number(value) : refuse("note", `\`${word}\` is not a time in milliseconds`);
    }
    isNext(line) {
        return this.#lines[0] === line;
    }
    get isAtEnd() {
        return this.#lines.length === 0;
    }
    end() {
        if (!this.isAtEnd)
            refuse("note", "the note has too many lines");
    }
}
export function readReason(reason, causes) {
    const [cause, ...rest] = reason.split(" ");
    const words = rest.join(" ");
    if (!causes.includes(cause) || words === "" || utf8Length(words) > MAX_REASON_BYTES)
        refuse("note", "`reason` is not a known cause and words");
    return { cause: cause, words };
}
export function parseControlNote(note) {
    checkBytes("note", "the note", utf8Length(note), MAX_CONTROL_NOTE_BYTES);
    try {
        return parseNote(note);
    }
    catch (error) {
        return unsigned(error);
    }
}
export async function verifyAll(note, keys, crypto) {
    try {
        const { signatures } = await verifyNote(note, keys, crypto);
        const hasSigned = (key) => signatures.some((made) => sameKey(made.key, key));
        if (!keys.every(hasSigned))
            refuse("signature", "a key that must sign it did not");
    }
    catch (error) {
        unsigned(error);
    }
}
function unsigned(error) {
    throw new UnsignedNote("note", `the note does not verify: ${refusalIn(error).message}`);
}
async function open(note, key, crypto) {
    const parsed = parseControlNote(note);
    await verifyAll(parsed, [key], crypto);
    return parsed.text;
}
export async function openGenesis(note, logKeys, crypto) {
    const parsed = parseControlNote(note);
    for (const key of logKeys) {
        if ((await orNull(verifyNote(parsed, [key], crypto))) === null)
            continue;
        const lines = new Lines(parsed.text, "vouchlog/v1 genesis");
        const origin = lines.value("origin");
        recast("note", "the origin is rejected", () => checkOrigin(origin));
        const operator = lines.vkey("operator", 0x01);
        lines.end();
        return { origin, operator };
    }
    return refuse("note", "the genesis note is not signed by the log");
}
export async function openStreamOpening(note, origin, crypto) {
    const parsed = parseControlNote(note);
    const lines = new Lines(parsed.text, "vouchlog/v1 stream");
    lines.log(origin);
    const gateway = lines.vkey("gateway", 0x01);
    const stream = lines.vkey("stream", 0x04);
    const previous = readPrevious(lines.value("previous"));
    lines.end();
    await verifyAll(parsed, [gateway], crypto);
    return { gateway, stream, previous };
}
function readPrevious(value) {
    if (value === "none")
        return null;
    const [stream, size, ...more] = value.split(" ").map(parseDecimal);
    const fits = more.length === 0 && stream != null && stream <= MAX_STREAM && size != null && size <= MAX_STREAM_SIZE;
    return fits ? { stream: Number(stream), size: Number(size) } : refuse("note", "`previous` is not `none` or a stream and its size");
}
export async function openEnrolment(note, origin, operator, crypto) {
    const parsed = parseControlNote(note);
    const enrolment = readEnrolment(parsed.text, origin);
    const { gateway, replaces } = enrolment;
    const needed = replaces?.rotation ? [replaces.key, gateway, operator] : [operator];
    await verifyAll(parsed, needed, crypto);
    return enrolment;
}
function readEnrolment(text, origin) {
    const lines = new Lines(text, "vouchlog/v1 enrol");
    lines.log(origin);
    const gateway = lines.vkey("gateway", 0x01);
    if (lines.isAtEnd)
        return { gateway, replaces: null };
    const key = lines.vkey("replaces", 0x01);
    if (key.name !== gateway.name || sameKey(key, gateway))
        refuse("note", "a key takes the place of another key of its own name");
    const reason = lines.value("reason");
    lines.end();
    if (reason === "rotation")
        return { gateway, replaces: { key, rotation: true, reason } };
    readReason(reason, ["lost", "compromised", "error"]);
    return { gateway, replaces: { key, rotation: false, reason } };
}
export async function openRevocation(note, origin, operator, crypto) {
    const lines = new Lines(await open(note, operator, crypto), "vouchlog/v1 revoke");
    lines.log(origin);
    const gateway = lines.vkey("gateway", 0x01);
    const effective = lines.time("effective");
    const reason = lines.reason();
    lines.end();
    return { gateway, effective, reason };
}
export async function openPruning(note, origin, log, crypto) {
    const lines = new Lines(await open(note, log, crypto), "vouchlog/v1 prune");
    lines.log(origin);
    const minimum = parseDecimal(lines.value("minimum"));
    if (minimum === null || minimum === 0n || minimum % 256n !== 0n)
        refuse("note", "the minimum index is not a positive multiple of 256");
    const reason = lines.reason();
    lines.end();
    return { minimum, reason };
}
export async function openQuota(note, origin, operator, crypto) {
    const lines = new Lines(await open(note, operator, crypto), "vouchlog/v1 quota");
    lines.log(origin);
    const scope = lines.value("for");
    if (scope !== "all") {
        if (!scope.startsWith("gateway "))
            refuse("note", "`for` is not `all` or `gateway` and a name");
        recast("note", "the name after `for gateway` is rejected", () => checkKeyName(scope.slice("gateway ".length)));
    }
    const issued = lines.time("issued");
    const limit = (word) => {
        const value = lines.value(word);
        const fits = value === "unlimited" || (value === "default" ? scope !== "all" : parseDecimal(value) !== null);
        return fits ? value : refuse("note", "a limit is a number, `unlimited`, or for one gateway `default`");
    };
    const limits = { statements: limit("statements"), bytes: limit("bytes"), streams: limit("streams") };
    lines.end();
    return { scope, issued, limits };
}
