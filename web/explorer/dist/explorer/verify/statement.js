import { decodeBase64Url, encodeBase64Url, encodeHex, encodeUtf8, utf8Length } from "./bytes.js";
import { hasStrictR } from "./ed25519.js";
import { isEvidence, isStatementKind } from "./entry.js";
import { checkBytes, recast, refuse } from "./errors.js";
import { isObject, list, parseJson, readMembers, string, toJsonValue, u64 } from "./json.js";
import { checkKeyName } from "./key.js";
import { sha256 } from "./sha256.js";
const MAX_JWT_BYTES = 64 * 1024;
const MAX_SD_JWT_BYTES = 3 << 20;
const MAX_DISCLOSURES = 4096;
const MAX_DEPTH = 32;
const MAX_CLAIM_BYTES = 255;
const CLEAR = { iss: string, iat: u64, jti: string, kind: string, stream: u64, evidence: u64, rules: string };
const MAX_SHOWN_NAME = 64;
const RESERVED = ["_sd", "...", "_sd_alg"];
const no = (why) => refuse("statement", why);
export async function verifyStatement(sdJwt, key, crypto) {
    return disclose(await openStatement(sdJwt, key, crypto));
}
export async function openStatement(sdJwt, key, crypto) {
    if (key.type !== 0x04)
        no("the key is not of type 0x04, as those of streams are");
    const { jwt, disclosures } = split(sdJwt);
    const payload = await verifyJwt(jwt, key, crypto);
    const parsed = parseJson(payload);
    const claims = recast("statement", "the payload is rejected", () => readClaims(parsed));
    return { claims, disclosures, payload: parsed, digest: encodeHex(sha256(encodeUtf8(jwt))) };
}
export function disclose({ claims, digest, payload, disclosures }) {
    const { members, undisclosed } = placeDisclosures(payload, disclosures);
    const disclosed = Object.create(null);
    for (const name of Object.keys(members))
        if (!Object.hasOwn(CLEAR, name))
            disclosed[name] = toJsonValue(members[name]);
    return { claims, disclosed, undisclosed, digest };
}
function split(sdJwt) {
    checkBytes("statement", "the statement", utf8Length(sdJwt), MAX_SD_JWT_BYTES);
    const tilde = sdJwt.indexOf("~");
    if (tilde < 0)
        no("it has no `~` after its JWT");
    const [jwt, rest] = [sdJwt.slice(0, tilde), sdJwt.slice(tilde + 1)];
    checkBytes("statement", "the JWT", utf8Length(jwt), MAX_JWT_BYTES);
    if (rest === "")
        return { jwt, disclosures: [] };
    if (!rest.endsWith("~"))
        no("it does not end with `~`");
    const disclosures = rest.slice(0, -1).split("~");
    if (disclosures.length > MAX_DISCLOSURES)
        no(`it has more than ${MAX_DISCLOSURES} disclosures`);
    return { jwt, disclosures };
}
async function verifyJwt(jwt, key, crypto) {
    const parts = jwt.split(".");
    const [header, payload, signature] = parts;
    if (parts.length !== 3 || !header || !payload || signature === undefined)
        return no("its JWT does not have three parts");
    const read = recast("statement", "the header is rejected", () => readMembers(parseJson(decodeBase64Url(header) ?? no("it is not base64url")), "the header", { alg: string, kid: string, typ: string }));
    if (read.alg !== "EdDSA")
        no("its algorithm is not EdDSA");
    if (read.typ !== "interaction+sd-jwt")
        no("its type is not interaction+sd-jwt");
    if (read.kid !== key.id)
        no("it names another key");
    const made = decodeBase64Url(signature);
    const bytes = decodeBase64Url(payload);
    if (bytes === null)
        return no("its payload is not base64url");
    const input = encodeUtf8(`${header}.${payload}`);
    if (made === null || made.length !== 64 || !hasStrictR(made) || !(await crypto.ed25519(key.publicKey, input, made))) {
        no("its signature does not verify");
    }
    return bytes;
}
function readClaims(payload) {
    const read = readMembers(payload, "the payload", { ...CLEAR, _sd: list(string), _sd_alg: string });
    if (read._sd_alg !== "sha-256")
        no("its digests are not of sha-256");
    const { iss: issuer, iat: issuedAt, jti: record, kind, stream, rules } = read;
    checkKeyName(issuer);
    if (issuedAt >= 1n << 53n)
        no("`iat` is past 2^53");
    if (!/^[0-9A-Za-z._:-]{1,64}$/.test(record))
        no("`jti` cannot name a record");
    if (!isStatementKind(kind))
        return no("`kind` is unknown");
    if (stream >= 1n << 40n)
        no("`stream` is past 2^40");
    const evidence = Number(read.evidence);
    if (!isEvidence(evidence))
        no("a bit of `evidence` has no meaning");
    if (rules === "" || utf8Length(rules) > MAX_CLAIM_BYTES || /\p{Cc}/u.test(rules))
        no("`rules` is not one short line");
    return { issuer, issuedAt: Number(issuedAt), record, kind, stream: Number(stream), evidence, rules };
}
function readDisclosure(text) {
    const bytes = decodeBase64Url(text);
    const parts = bytes === null ? undefined : parseJson(bytes);
    const [salt, ...rest] = Array.isArray(parts) ? parts : [];
    const value = rest.pop();
    const [name, ...more] = rest;
    if (typeof salt !== "string" || value === undefined || more.length > 0 || (name !== undefined && typeof name !== "string")) {
        return no("a disclosure is not an array of a salt, an optional name, and a value");
    }
    return { name: name ?? null, value };
}
export function placeDisclosures(payload, disclosures) {
    const shown = new Map();
    for (const text of disclosures) {
        const read = readDisclosure(text);
        const digest = encodeBase64Url(sha256(encodeUtf8(text)));
        if (shown.has(digest))
            no("a disclosure occurs twice");
        shown.set(digest, read);
    }
    const places = new Places(shown);
    const { _sd_alg: _, ...rest } = payload;
    const members = places.object(Object.assign(Object.create(null), rest), 1);
    for (const [digest, { name }] of shown) {
        const field = name === null ? "an element of a list" : `the field ${JSON.stringify(name.slice(0, MAX_SHOWN_NAME))}`;
        no(`what is shown of ${field} is not in the signed statement, which has no digest ${digest}`);
    }
    return { members, undisclosed: places.undisclosed };
}
class Places {
    #seen;
    constructor(shown) {
        this.shown = shown;
        this.undisclosed = 0;
        this.#seen = new Set();
    }
    #value(value, depth) {
        if (Array.isArray(value))
            return this.#array(value, depth);
        return isObject(value) ? this.object(value, depth) : value;
    }
    object(object, depth) {
        if (depth > MAX_DEPTH)
            no("it nests too deep");
        const digests = "_sd" in object ? object["_sd"] : [];
        if (!Array.isArray(digests))
            return no("`_sd` is not an array");
        const out = Object.create(null);
        for (const name of Object.keys(object)) {
            if (name === "_sd")
                continue;
            if (RESERVED.includes(name))
                no("a member has a reserved name");
            out[name] = this.#value(object[name], depth + 1);
        }
        for (const digest of digests) {
            const read = this.#take(digest);
            if (read === null)
                continue;
            if (read.name === null)
                return no("an element is disclosed as a member");
            if (RESERVED.includes(read.name))
                no("a member has a reserved name");
            if (read.name in out)
                no("there are two values for one name");
            out[read.name] = this.#value(read.value, depth + 1);
        }
        return out;
    }
    #array(elements, depth) {
        if (depth > MAX_DEPTH)
            no("it nests too deep");
        const out = [];
        for (const element of elements) {
            if (!isObject(element) || !("..." in element)) {
                out.push(this.#value(element, depth + 1));
                continue;
            }
            if (Object.keys(element).length !== 1)
                no("`...` is not the only member of its object");
            const read = this.#take(element["..."]);
            if (read === null)
                continue;
            if (read.name !== null)
                no("a member is disclosed as an element");
            out.push(this.#value(read.value, depth + 1));
        }
        return out;
    }
    #take(digest) {
        if (typeof digest !== "string")
            return no("a digest is not a string");
        if (this.#seen.has(digest))
            no("a digest occurs twice");
        this.#seen.add(digest);
        const read = this.shown.get(digest) ?? null;
        this.shown.delete(digest);
        if (read === null)
            this.undisclosed++;
        return read;
    }
}
