// Goal: what the pages decide, without a browser: which key is trusted, what two heads show, what a query means, what a survey counts.

import assert from "node:assert/strict";
import test from "node:test";

import { compareHeads } from "../dist/explorer/heads.js";
import { recompute } from "../dist/explorer/inclusion.js";
import { find, fits, parseQuery } from "../dist/explorer/lookup.js";
import { Survey } from "../dist/explorer/survey.js";
import { choose, fingerprintOf, Known, makeTrust, parseFragment, parseKept } from "../dist/explorer/trust.js";
import { auditLog } from "../dist/explorer/verify/audit/audit.js";
import { nodeHash, Prover, Trust, VerifyError } from "../dist/explorer/verify/index.js";
import { ago, count, dayRange, duration, evidenceNames, grouped, moment } from "../dist/explorer/words.js";
import { gatewaysOf, streamState } from "../dist/explorer/gateways.js";
import { keys, POLICY, soundLog, TestLog } from "../../verify/test/log.mjs";
import { utf8 } from "../../verify/test/support.mjs";

const trust = new Trust({ logVkey: keys.log.vkey });
const none = { vkey: null, policy: null };
const confirmed = { vkey: "mine", policy: null, source: "you", isConfirmed: true };

test("a key that the log or a link brings is never confirmed", () => {
  assert.equal(choose({ kept: null, link: none, log: none }), null);
  const fromLog = choose({ kept: null, link: none, log: { vkey: "log", policy: "p" } });
  assert.deepEqual(fromLog.kept, { vkey: "log", policy: "p", source: "log", isConfirmed: false });
  const fromLink = choose({ kept: null, link: { vkey: "link", policy: null }, log: { vkey: "log", policy: "p" } });
  assert.deepEqual(fromLink.kept, { vkey: "link", policy: null, source: "link", isConfirmed: false });
  assert.deepEqual(fromLink.conflict, { vkey: "log", source: "log" });
});

test("a kept key stays, and another one is shown as a contradiction", () => {
  const other = { vkey: "other", policy: "theirs" };
  for (const [link, log, source] of [[other, none, "link"], [none, other, "log"]]) {
    const chosen = choose({ kept: confirmed, link, log });
    assert.deepEqual(chosen, { kept: confirmed, conflict: { vkey: "other", source } });
  }
  const first = { ...confirmed, source: "log", isConfirmed: false };
  assert.equal(choose({ kept: first, link: none, log: other }).conflict.vkey, "other");
  assert.equal(choose({ kept: confirmed, link: { vkey: "mine", policy: null }, log: none }).conflict, null);
});

test("a policy that the log offers does not join a key that the reader confirmed", () => {
  assert.equal(choose({ kept: confirmed, link: none, log: { vkey: "mine", policy: "quorum none\n" } }).kept.policy, null);
});

test("what is kept is read strictly", () => {
  assert.deepEqual(parseKept(JSON.stringify(confirmed)), confirmed);
  for (const bad of [null, "", "{", "null", "[]", '{"vkey":1}', '{"vkey":"a","policy":null,"source":"else","isConfirmed":true}', '{"vkey":"a","policy":3,"source":"you"}']) {
    assert.equal(parseKept(bad), null, bad);
  }
  assert.equal(parseKept('{"vkey":"a","policy":null,"source":"you","isConfirmed":"yes"}').isConfirmed, false);
});

test("a link carries a vkey as it is, or encoded", () => {
  const { vkey } = keys.log;
  assert.equal(parseFragment(`#vkey=${vkey}`).vkey, vkey);
  assert.equal(parseFragment(`#vkey=${encodeURIComponent(vkey)}&policy=${encodeURIComponent(POLICY)}`).policy, POLICY);
  assert.equal(parseFragment(`#${new URLSearchParams({ vkey, policy: POLICY })}`).policy, POLICY);
  assert.deepEqual(parseFragment(""), none);
  assert.equal(parseFragment(`#vkey=${"x".repeat(5000)}`).vkey, null);
  assert.equal(fingerprintOf("").slice(0, 8), "e3b0c442");
});

test("only a confirmed key makes a state good", async () => {
  const made = await makeTrust(keys.log.vkey, POLICY);
  const known = (isConfirmed) => new Known(made, { ...confirmed, isConfirmed }, null);
  assert.equal(known(false).tone("ok"), "unk");
  assert.equal(known(true).tone("ok"), "ok");
  assert.equal(known(false).tone("bad"), "bad");
  await assert.rejects(makeTrust("nonsense", null), VerifyError);
  await assert.rejects(makeTrust(keys.log.vkey, "nonsense"), VerifyError);
});

async function headOf(log, size) {
  return (await trust.open(log.checkpoint(size))).head;
}

test("two heads are the same, consistent, smaller, a fork or unproven", async () => {
  const { log } = soundLog(600);
  const other = soundLog(599).log;
  other.state([...other.streams.keys()][0]);
  const read = log.reader();
  const size = log.entries.length;
  const full = await headOf(log, size);
  assert.equal(await compareHeads(read, full, full), "same");
  for (const old of [0, 1, 2, 255, 256, 257, 512, size - 1]) {
    assert.equal(await compareHeads(read, await headOf(log, old), full), "consistent", `from ${old}`);
    assert.equal(await compareHeads(read, full, await headOf(log, old)), "smaller", `back to ${old}`);
  }
  const fork = { size: full.size, root: new Uint8Array(32) };
  assert.equal(await compareHeads(read, fork, full), "fork");
  assert.equal(await compareHeads(read, { size: 300n, root: new Uint8Array(32) }, full), "fork");
  const served = log.served();
  served.delete("tile/0/000");
  assert.equal(await compareHeads(log.reader(served), await headOf(log, 10), full), "unproven");
  // Tiles of another log prove nothing about this one, and never that it is consistent.
  assert.equal(await compareHeads(other.reader(), await headOf(log, 10), full), "unproven");
});

test("every path is recomputed to the signed root, and a changed byte to none", async () => {
  const { log } = soundLog(300);
  const head = await headOf(log, log.entries.length);
  const prover = new Prover(log.reader(), head);
  for (const index of [0n, 1n, 254n, 255n, 256n, head.size - 1n]) {
    const entry = await prover.entry(index);
    const steps = recompute(entry);
    assert.deepEqual(steps.at(-1).result, head.root);
    assert.deepEqual(steps[0].result, steps[0].isLeft ? nodeHash(steps[0].hash, entry.leaf) : nodeHash(entry.leaf, steps[0].hash));
  }
  await assert.rejects(prover.entry(head.size), VerifyError);
  for (const [path, at] of [["tile/entries/000", -1], ["tile/0/000", 0]]) {
    const served = log.served();
    const changed = Uint8Array.from(served.get(path));
    changed[at < 0 ? changed.length + at : at] ^= 1;
    served.set(path, changed);
    await assert.rejects(new Prover(log.reader(served), head).entry(255n), (error) => error instanceof VerifyError && error.reason === "not-included", path);
  }
});

test("a run of entries is proven where it is, and nowhere else", async () => {
  const { log } = soundLog(300);
  const head = await headOf(log, log.entries.length);
  const prover = new Prover(log.reader(), head);
  for (const [first, end] of [[0, 1], [0, 300], [5, 9], [255, 257], [256, 300], [head.size - 1n, head.size]].map((pair) => pair.map(Number))) {
    await prover.run(BigInt(first), log.entries.slice(first, end));
  }
  await assert.rejects(prover.run(1n, log.entries.slice(0, 3)), VerifyError);
  await assert.rejects(prover.run(head.size - 1n, log.entries.slice(0, 2)), VerifyError);
});

test("queries are indexes, digests, or places in a stream", () => {
  assert.deepEqual(parseQuery(" 1,203,911 "), { by: "index", index: 1203911n });
  assert.deepEqual(parseQuery("1180402/14208"), { by: "place", stream: 1180402, sequence: 14208 });
  assert.deepEqual(parseQuery("AB".repeat(32)), { by: "digest", digest: "ab".repeat(32) });
  for (const bad of ["", "x", "-1", "1.5", "1/2/3", "1/", "/1", "1e3", "9".repeat(17), "ab".repeat(31), "<b>"]) assert.equal(parseQuery(bad), null, bad);
});

test("an index that the log names is compared with what was asked for", async () => {
  const { log } = soundLog(600);
  const head = await headOf(log, log.entries.length);
  const prover = new Prover(log.reader(), head);
  const wanted = 400;
  const digest = Buffer.from(log.entries[wanted].subarray(22)).toString("hex");
  const query = parseQuery(digest);
  assert.ok(fits(log.entries[wanted], query) && !fits(log.entries[wanted + 1], query) && !fits(log.entries[0], query));
  const real = globalThis.fetch;
  const answers = { right: `{"index":${wanted}}`, wrong: '{"index":401}', beyond: '{"index":99999}', nonsense: "<html>", negative: '{"index":-1}' };
  try {
    for (const [name, answer] of Object.entries(answers)) {
      globalThis.fetch = async () => new Response(answer);
      assert.deepEqual(await find(new URL("http://x/"), prover, query, () => undefined), { index: BigInt(wanted) }, name);
    }
    globalThis.fetch = async () => new Response("", { status: 404 });
    assert.deepEqual(await find(new URL("http://x/"), prover, parseQuery("00".repeat(32)), () => undefined), { index: null, searched: head.size });
  } finally {
    globalThis.fetch = real;
  }
});

test("a survey counts what the audit read", async () => {
  const { log, streams } = soundLog(600);
  const survey = new Survey();
  const report = await auditLog(log.reader(), trust, { onEntry: (index, bytes, from, to) => survey.entry(index, bytes, from, to) });
  assert.ok(report.isClean);
  const seen = survey.result();
  assert.equal([...seen.kinds.values()].reduce((sum, one) => sum + one), log.entries.length);
  assert.equal(seen.kinds.get("interaction") + seen.kinds.get("declared-loss"), 600);
  assert.deepEqual(seen.streams.map(({ id, statements }) => [id, statements]), report.streams.map(({ stream, statements }) => [stream, statements]));
  assert.equal(seen.streams[0].closed.index, log.entries.length - 1);
  assert.equal(seen.streams[1].losses.length, 12);
  assert.ok(seen.growth.length < 400 && seen.growth[0].index === 0);
  assert.deepEqual(seen.enrolments.map(({ vkey }) => vkey), [keys.gateway.vkey, keys.other.vkey]);
  const [first, second] = gatewaysOf(report, seen);
  assert.equal(first.name, "gateway.example.com");
  assert.equal(streamState(first.streams[0]).words, "Closed");
  assert.equal(streamState(second.streams[0]).words, "Declared loss");
  assert.deepEqual(streams.length, 2);
});

test("a survey of a log that never ends stays bounded", () => {
  const survey = new Survey();
  const log = new TestLog();
  log.genesis();
  log.enrol(keys.gateway);
  const id = log.open(keys.gateway);
  log.entries.forEach((bytes, index) => survey.entry(index, bytes, 0, bytes.length));
  const statement = log.entries[log.state(id)];
  for (let at = 0; at < 50_000; at++) {
    log.now += 120_000;
    const bytes = Uint8Array.from(statement);
    new DataView(bytes.buffer).setUint16(1, Math.floor(log.now / 2 ** 32));
    new DataView(bytes.buffer).setUint32(3, log.now % 2 ** 32);
    survey.entry(4 + at, bytes, 0, bytes.length);
  }
  const { growth, streams: [stream] } = survey.result();
  assert.ok(growth.length <= 400 && stream.runs.length <= 400);
  assert.equal(stream.statements, 50_000);
  assert.ok(stream.runs.every(({ from, to }, place) => from <= to && (place === 0 || stream.runs[place - 1].to <= from)));
});

test("a gap is shown as a gap, whatever else is said of the stream", async () => {
  const { log, streams } = soundLog(100);
  log.state(streams[1], 2, 999);
  const survey = new Survey();
  const report = await auditLog(log.reader(), trust, { onEntry: (index, bytes, from, to) => survey.entry(index, bytes, from, to) });
  const states = gatewaysOf(report, survey.result()).map(({ streams: shown }) => streamState(shown[0]).words);
  assert.deepEqual(states, ["Closed", "Gap"]);
});

test("numbers and times are written one way", () => {
  assert.equal(grouped(1284906n), "1,284,906");
  assert.equal(count(1, "entry", "entries"), "1 entry");
  assert.equal(moment(Date.UTC(2026, 10, 18, 9, 34, 26)), "2026-11-18 09:34:26 UTC");
  assert.equal(moment(2 ** 53), "a time out of range");
  assert.equal(dayRange(Date.UTC(2026, 10, 18), Date.UTC(2026, 10, 18, 23)), "2026-11-18");
  assert.equal(dayRange(Date.UTC(2026, 10, 18), Date.UTC(2026, 10, 19)), "2026-11-18 to 2026-11-19");
  assert.equal(duration(3 * 3600e3 + 12 * 60e3), "3 h 12 min");
  assert.match(ago(2000, 1000), /ahead of this device's clock/);
  assert.ok(utf8("x"));
});

test("a bitmap is put in words, bit by bit, in order", () => {
  assert.deepEqual(evidenceNames(0), []);
  assert.deepEqual(evidenceNames(0b1_0000_0000_0000_0011), ["initiator", "verified session", "outcome"]);
  assert.deepEqual(evidenceNames((1 << 20) | (2 << 22) | (1 << 24) | (1 << 27)), ["sampled or lossy source", "profile regulated", "credential valid at the moment", "complete"]);
  assert.deepEqual(evidenceNames((1 << 22) | (2 << 24) | (1 << 26)), ["profile low-risk", "credential not valid at the moment", "attributable"]);
  assert.deepEqual(evidenceNames(3 << 22), ["profile privileged"]);
  // Bits without a meaning are in no entry that can be decoded, and claim nothing here.
  assert.deepEqual(evidenceNames((1 << 17) | (1 << 21) | (3 << 24)), []);
});
