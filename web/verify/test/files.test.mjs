// Files that the real program wrote, and what changes of the trust do to them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { auditLog } from "../dist/audit/audit.js";
import * as v from "../dist/index.js";
import { bytesOf, FILES, jsonOf, refused, seed, TestKey, textOf, utf8 } from "./support.mjs";

const logVkey = textOf("log.vkey", FILES).trim();
const gatewayVkey = textOf("gateway.vkey", FILES).trim();
const policy = textOf("policy.txt", FILES);
const trustOf = (options = {}) => new v.Trust({ logVkey, policy, ...options });
const reasonOf = async (name, options) => (await refused(() => v.verifyFile(bytesOf(name, FILES), trustOf(options)))).reason;

test("each holds, and shows what it should", async () => {
  const shows = async (name) => (await v.verifyFile(bytesOf(name, FILES), trustOf())).shows;
  const genesis = await shows("entry-0.tlog-proof");
  assert.deepEqual([genesis.index, genesis.entry.kind], [0n, "genesis"]);
  const presentation = await shows("presentation.json");
  assert.equal(presentation.statement.disclosed.initiator.sub, "u-20931");
  assert.deepEqual([presentation.trust, presentation.status.known], ["operator", "not-revoked"]);
  const session = await shows("session.json");
  assert.equal(session.records.length, 3);
  assert.ok(session.notes.some((note) => note.startsWith("There is no seal")));
  const { streams } = await shows("streams.completeness.json");
  assert.deepEqual(streams.map(({ isHouse }) => isHouse), [false, true]);
  assert.equal((await shows("sample.json")).entries.length, 3);
  assert.equal((await shows("altered.finding.json")).verdict, "observed");
});

test("another log's key refutes every file", async () => {
  const other = new TestKey(logVkey.split("+")[0], 1, seed(1)).vkey;
  const names = ["entry-0.tlog-proof", "presentation.json", "session.json", "streams.completeness.json", "sample.json"];
  for (const name of names) assert.equal(await reasonOf(name, { logVkey: other }), "signature", name);
  assert.equal(await reasonOf("altered.finding.json", { logVkey: other }), "refuted");
  const elsewhere = new TestKey("log.example.com/other", 1, seed(1)).vkey;
  assert.equal(await reasonOf("presentation.json", { logVkey: elsewhere }), "other-log");
});

test("a witness that did not cosign is missed", async () => {
  const strangers = `witness a ${new TestKey("witness-a.example.com", 4, seed(2)).vkey}\nquorum a\n`;
  for (const name of ["entry-0.tlog-proof", "presentation.json", "session.json", "streams.completeness.json", "sample.json"]) {
    assert.equal(await reasonOf(name, { policy: strangers }), "quorum", name);
  }
});

test("pinned keys of gateways", async () => {
  const pinned = await v.verifyFile(bytesOf("presentation.json", FILES), trustOf({ gatewayVkeys: [gatewayVkey] }));
  assert.equal(pinned.shows.trust, "pinned");
  const stranger = new TestKey("gateway.example.com", 1, seed(3)).vkey;
  assert.equal(await reasonOf("presentation.json", { gatewayVkeys: [stranger] }), "not-pinned");
  assert.equal(await reasonOf("session.json", { gatewayVkeys: [stranger] }), "not-pinned");
  // The house stream is in it, and no gateway's key is its.
  assert.equal(await reasonOf("streams.completeness.json", { gatewayVkeys: [gatewayVkey] }), "house-stream");
});

test("a sample's proof files hold by themselves", async () => {
  const change = async (from, to) => {
    const sample = jsonOf("sample.json", FILES);
    assert.ok(sample.entries[0].proof_file.includes(from));
    sample.entries[0].proof_file = sample.entries[0].proof_file.replace(from, to);
    return (await refused(() => v.verifySampleFile(utf8(JSON.stringify(sample)), trustOf()))).reason;
  };
  const { index } = jsonOf("sample.json", FILES).entries[0];
  assert.equal(await change(`index ${index}`, "index 12345"), "mismatch");
  assert.equal(await change("\u2014 log.example.com", "\u2014 lug.example.com"), "mismatch");
});

test("keys that cannot be a log's are refused", async () => {
  const cosigner = new TestKey("w.example.com", 4, seed(1)).vkey;
  assert.equal((await refused(() => new v.Trust({ logVkey: cosigner }))).reason, "key");
  assert.equal((await refused(() => new v.Trust({ logVkey, policy: "witness\n" }))).reason, "format");
});

test("an audit of what the log served is clean, and remembers", async () => {
  const read = async (path) => {
    try {
      return bytesOf(`served/${path}`, FILES);
    } catch {
      return null;
    }
  };
  const report = await auditLog(read, trustOf());
  assert.deepEqual([report.isClean, report.statements], [true, 10]);
  assert.deepEqual(report.cosigned.by, ["a", "b"]);
  const again = await auditLog(read, trustOf(), { verified: report.checkpoint.note.note });
  assert.ok(again.isClean);
});
