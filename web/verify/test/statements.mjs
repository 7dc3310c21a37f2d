// Statements made by this test code: SD-JWTs over random records, sound or broken before they are signed.

import { encodeBase64Url, encodeHex } from "../dist/bytes.js";
import { sha256 } from "../dist/sha256.js";
import { utf8 } from "./support.mjs";

const base64Url = (text) => encodeBase64Url(utf8(text));
const digestOf = (disclosure) => base64UrlBytes(sha256(utf8(disclosure)));
const base64UrlBytes = (bytes) => encodeBase64Url(bytes);

/** Conceals a value: every member and every element of groups, one by one. */
class Concealer {
  constructor(next) {
    this.next = next;
    this.disclosures = [];
    this.salts = 0;
  }

  disclose(...parts) {
    const disclosure = base64Url(JSON.stringify([`salt${this.next(1e9)}-${this.salts++}`, ...parts]));
    this.disclosures.push(disclosure);
    return digestOf(disclosure);
  }

  value(value, depth) {
    if (depth > 0 && Array.isArray(value) && value.length > 0 && value.every((one) => one && typeof one === "object")) {
      return value.map((one) => ({ "...": this.disclose(this.value(one, depth - 1)) }));
    }
    if (depth > 0 && value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length > 0) return this.object(value, depth - 1);
    return value;
  }

  object(object, depth) {
    const digests = Object.entries(object).map(([name, value]) => this.disclose(name, this.value(value, depth)));
    while (digests.length % 4 !== 0) digests.push(digestOf(`decoy ${this.next(1e9)}`));
    return { _sd: digests.sort() };
  }
}

const RECORD = () => ({
  initiator: { sub: "alice", roles: ["clerk"], device: { id: "d-1" } },
  correlation: { session: "sess-1", session_sequence: 1 },
  tools: [{ name: "search", arguments: { city: "Bern" } }, { name: "pay", downstream: [{ op: "a" }, { op: "b" }] }],
  outcome: { state: "executed" },
  number: 12345678901234567,
  real: 1.5,
});

/** Defects of a payload before it is signed; each takes the payload and the disclosures. */
export const DEFECTS = [
  ({ payload, next }) => { payload._sd.push(payload._sd[next(payload._sd.length)]); },
  ({ payload }) => { payload._sd_alg = "sha-512"; },
  ({ payload }) => { delete payload._sd_alg; },
  ({ payload }) => { payload._sd = "none"; },
  ({ payload }) => { payload._sd.push(7); },
  ({ payload }) => { payload.extra = 1; },
  ({ payload, next }) => { payload[["iss", "iat", "jti", "kind", "stream", "evidence", "rules"][next(7)]] = [null, -1, 1.5, "", "\u0001", 2 ** 53, {}][next(7)]; },
  ({ payload, next }) => { delete payload[["iss", "iat", "jti", "kind", "stream", "evidence", "rules", "_sd"][next(8)]]; },
  ({ payload, next }) => { payload.evidence = next(2 ** 32); },
  ({ payload, next }) => { payload.stream = [payload.stream + 1, 2 ** 40, 2 ** 40 - 1][next(3)]; },
  ({ payload, next }) => { payload.kind = ["intent", "opaque", "unknown", "Interaction"][next(4)]; },
  ({ payload }) => { payload.iss = "other.example.com"; },
  ({ payload, add, next }) => { payload._sd.push(add(["_sd", "...", "_sd_alg", "iss", "exp", "__proto__", "constructor", "initiator"][next(8)], next(2) ? 1 : { a: 1 })); },
  ({ payload, add }) => { payload._sd.push(add({ a: 1 })); },
  ({ payload, add }) => { payload._sd.push(add("list", [{ "...": 7 }])); },
  ({ payload, add }) => { payload._sd.push(add("list", [{ "...": "x", more: 1 }, {}])); },
  ({ payload, add }) => { payload._sd.push(add("list", [{ "...": add("named", 1) }])); },
  ({ payload, add }) => { payload._sd.push(add("inner", { _sd: [add("_sd_alg", "sha-256")] })); },
  ({ payload, add, next }) => {
    let value = 1;
    for (let depth = 0; depth < 28 + next(8); depth++) value = next(2) ? [value] : { a: value };
    payload._sd.push(add("deep", value));
  },
  ({ add }) => { add("stranger", 1); },
  ({ disclosures, next }) => { disclosures.push(disclosures[next(disclosures.length)]); },
  ({ disclosures }) => { disclosures.push(base64Url('["salt","a",1,2]')); },
  ({ disclosures }) => { disclosures.push(base64Url('{"a":1}')); },
  ({ disclosures, payload }) => { const twice = base64Url('["s","twice",{"a":1,"a":2}]'); disclosures.push(twice); payload._sd.push(digestOf(twice)); },
  ({ disclosures, payload }) => { const odd = base64Url('["s","odd",{"__proto__":{"x":1},"b":[1e2,-0,0.10,18446744073709551615,1e400]}]'); disclosures.push(odd); payload._sd.push(digestOf(odd)); },
  ({ disclosures, payload }) => { const odd = base64Url('["s","odd",{"__proto__":{"x":1},"b":[1e2,-0,0.10,18446744073709551615,-5,9007199254740993]}]'); disclosures.push(odd); payload._sd.push(digestOf(odd)); },
  ({ disclosures, payload }) => { const odd = base64Url(' [ "s" , "sp\\u00e4t\\ud83d\\ude00" , null ] \n'); disclosures.push(odd); payload._sd.push(digestOf(odd)); },
  ({ disclosures, payload }) => { const odd = base64Url('["s","lone\\ud83d",null]'); disclosures.push(odd); payload._sd.push(digestOf(odd)); },
  ({ header, next }) => { header[["alg", "typ", "kid", "x"][next(4)]] = ["EdDSA", "none", "sd+jwt", 7][next(4)]; },
];

/** A statement: the SD-JWT, its digest, and what its claims say. `stream`: id and key. */
export function makeStatement(next, { gateway, stream, key, record, kind = "interaction", session = "sess-1" }) {
  const concealer = new Concealer(next);
  const fields = RECORD();
  fields.correlation.session = session;
  const concealed = concealer.object(fields, 3);
  const payload = {
    iss: gateway.name, iat: 1_767_225_600, jti: record, kind, stream, evidence: 3, rules: "test 1", _sd: concealed._sd, _sd_alg: "sha-256",
  };
  const disclosures = concealer.disclosures;
  const header = { alg: "EdDSA", kid: encodeHex(key.id), typ: "interaction+sd-jwt" };
  const isBroken = next(3) === 0;
  if (isBroken) {
    const add = (...parts) => concealer.disclose(...parts);
    for (let count = 0; count <= next(2) && Array.isArray(payload._sd); count++) DEFECTS[next(DEFECTS.length)]({ payload, header, disclosures, next, add });
  }
  const input = `${base64Url(JSON.stringify(header))}.${base64Url(JSON.stringify(payload))}`;
  const jwt = `${input}.${encodeBase64Url(key.raw(utf8(input)))}`;
  // Showing only some of them leaves disclosures without the group they are in: those are refused.
  const shown = isBroken || next(4) > 0 ? disclosures : disclosures.filter(() => next(2) === 0);
  return { sdJwt: [jwt, ...shown, ""].join("~"), digest: sha256(utf8(jwt)), payload };
}
