// The checks that a verification reports, and what is verified once although a file has it often.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as v from "../dist/index.js";
import { bytesOf, FILES, jsonOf, refused, seed, TestKey, textOf, utf8 } from "./support.mjs";

const logVkey = textOf("log.vkey", FILES).trim();
const policy = textOf("policy.txt", FILES);
const trust = new v.Trust({ logVkey, policy });

async function checksOf(bytes, by = trust) {
  const checks = [];
  const verify = () => v.verifyFile(bytes, by, (check) => checks.push(check));
  return { checks, verify };
}

const FILE_OF = {
  checkpoint: "checkpoint", proof: "entry-0.tlog-proof", presentation: "presentation.json", session: "session.json",
  completeness: "streams.completeness.json", evidence: "altered.finding.json", sample: "sample.json",
};

test("a file that holds passes every check of its kind, and no other", async () => {
  for (const [kind, name] of Object.entries(FILE_OF)) {
    const { checks, verify } = await checksOf(bytesOf(name, FILES));
    assert.equal((await verify()).file, kind);
    assert.ok(checks.every(({ refusal }) => refusal === null), name);
    assert.deepEqual(new Set(checks.map((check) => check.name)), new Set(v.CHECKS[kind]), name);
  }
});

test("without a policy no check of witnesses is reported", async () => {
  const { checks, verify } = await checksOf(bytesOf("presentation.json", FILES), new v.Trust({ logVkey }));
  await verify();
  assert.ok(checks.every(({ name }) => name !== "witnesses"));
});

test("a file that does not hold fails one check, and nothing is checked after it", async () => {
  const change = (name, from, to) => utf8(textOf(name, FILES).replace(from, to));
  const presented = jsonOf("presentation.json", FILES);
  const [jwt, ...disclosures] = presented.sd_jwt.split("~");
  const array = JSON.parse(Buffer.from(disclosures[0], "base64url"));
  disclosures[0] = Buffer.from(JSON.stringify([...array.slice(0, -1), "altered"])).toString("base64url");
  const forged = { ...presented, sd_jwt: [jwt, ...disclosures].join("~") };
  const strangers = `witness a ${new TestKey("witness-a.example.com", 4, seed(2)).vkey}\nquorum a\n`;
  const cases = [
    ["disclosures", utf8(JSON.stringify(forged)), trust],
    ["witnesses", bytesOf("session.json", FILES), new v.Trust({ logVkey, policy: strangers })],
    ["witnesses", bytesOf("checkpoint", FILES), new v.Trust({ logVkey, policy: strangers })],
    ["log-signature", bytesOf("sample.json", FILES), new v.Trust({ logVkey: new TestKey(logVkey.split("+")[0], 1, seed(1)).vkey, policy })],
    ["format", change("sample.json", "vouchlog/v1 sample", "vouchlog/v2 sample"), trust],
    ["inclusion", change("entry-0.tlog-proof", "index 0", "index 1"), trust],
    ["format", utf8("hello"), trust],
    ["operator", change("streams.completeness.json", /"to": ?[0-9]+/, '"to":900000'), trust],
  ];
  for (const [name, bytes, by] of cases) {
    const { checks, verify } = await checksOf(bytes, by);
    const error = await refused(verify);
    const failed = checks.filter(({ refusal }) => refusal !== null);
    assert.deepEqual([failed.length, failed[0]?.name, checks.at(-1)], [1, name, failed[0]], `${name}: ${error.message}`);
    assert.ok(error.message.endsWith(failed[0].refusal.message), `${error.message} / ${failed[0].refusal.message}`);
  }
});

test("a field that was changed is named, with the digest that the statement lacks", async () => {
  const presented = jsonOf("presentation.json", FILES);
  const forged = Buffer.from(JSON.stringify(["c2FsdA", "outcome", { state: "refused" }])).toString("base64url");
  const { message } = await refused(() => v.verifyFile(utf8(JSON.stringify({ ...presented, sd_jwt: `${presented.sd_jwt}${forged}~` })), trust));
  assert.match(message, /what is shown of the field "outcome" is not in the signed statement, which has no digest [\w-]{43}$/);
});

test("what the records of a bundle share is verified once", async () => {
  const bundle = jsonOf("session.json", FILES);
  const count = async (records) => {
    const counting = new v.Trust({ logVkey, policy });
    let signatures = 0;
    const verify = counting.crypto.ed25519.bind(counting.crypto);
    counting.crypto.ed25519 = (...args) => (signatures++, verify(...args));
    await v.verifyFile(utf8(JSON.stringify({ ...bundle, records })), counting);
    return signatures;
  };
  // Of its own a record has a statement, and here a checkpoint that the log and the witnesses signed.
  const [one, three] = [await count(bundle.records.slice(0, 1)), await count(bundle.records)];
  assert.ok(three - one <= 2 * 4, `${one} signatures for one record, ${three} for three`);
  assert.ok(one >= 6);
});

test("a bundle without records shows nothing, and states it", async () => {
  const { shows } = await v.verifyFile(utf8(JSON.stringify({ ...jsonOf("session.json", FILES), records: [] })), trust);
  assert.ok(shows.notes.some((note) => note.startsWith("There is no record")));
});

test("a file is bounded by its kind", async () => {
  const padded = Buffer.concat([bytesOf("presentation.json", FILES), Buffer.alloc(4 << 20, " ")]);
  assert.equal((await refused(() => v.verifyFile(new Uint8Array(padded), trust))).reason, "too-large");
});
