// Audits of logs in memory: a sound one has no finding, and each fault has the code that docs/auditing.md gives it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { auditLog } from "../dist/audit/audit.js";
import { Trust, verifyCompletenessFile, verifyFindingFile, VerifyError } from "../dist/index.js";
import { field, keys, ORIGIN, POLICY, soundLog, TestLog } from "./log.mjs";
import { proofFile, run, runs, Tree } from "./prove.mjs";
import { refused, seed, TestKey, utf8 } from "./support.mjs";

const trust = new Trust({ logVkey: keys.log.vkey, policy: POLICY });
const codes = (report) => report.findings.map(({ kind }) => kind);

/** The codes of an audit of what a log serves after `change`. */
async function audited(log, change = () => {}, options = {}) {
  const objects = log.served();
  change(objects);
  return auditLog(log.reader(objects), trust, options);
}

test("a sound log has no finding, whatever its size", async () => {
  for (const statements of [0, 1, 248, 249, 250, 600, 1500]) {
    const { log } = soundLog(statements);
    const report = await audited(log);
    assert.deepEqual(codes(report), [], `${statements} statements`);
    assert.ok(report.isClean && report.isVouchlog);
    assert.equal(report.entries, log.entries.length);
    assert.equal(report.statements, statements);
    assert.ok(report.streams.every(({ isComplete }) => isComplete));
  }
});

test("a log that is not Vouchlog's has opaque entries", async () => {
  const log = new TestLog();
  for (let at = 0; at < 700; at++) log.push(utf8(`entry ${at}`));
  const report = await audited(log);
  assert.ok(report.isClean && !report.isVouchlog);
  assert.equal(codes(await audited(log, undefined, { entries: "vouchlog" }))[0], "bad-genesis");
});

/** A log that announced, by a note of the key `by`, that it gives up entries below 1,024: a stream of 900 statements that was closed, and one of 600 after it. */
function prunedLog(by = keys.log) {
  const log = new TestLog();
  log.genesis();
  log.enrol(keys.gateway);
  for (const statements of [900, 600]) {
    const stream = log.open(keys.gateway);
    for (let at = 0; at < statements; at++) log.state(stream);
    log.head(stream, { closes: true });
  }
  const entry = log.control(0x8d, by.note(`vouchlog/v1 prune\nlog ${ORIGIN}\nminimum 1024\nreason kept for 7 years\n`));
  return { log, entry };
}

/** What such a log serves once bundles 1 and 2 are gone. */
function prune(objects, entry) {
  objects.delete("tile/entries/001");
  objects.delete("tile/entries/002");
  objects.set("pruned", utf8(`minimum 1024\nannounced ${entry}\n`));
}

test("what a log gave up as it announced is not checked, and no loss", async () => {
  const { log, entry } = prunedLog();
  const report = await audited(log, (objects) => prune(objects, entry));
  assert.deepEqual(codes(report), []);
  assert.deepEqual([report.unchecked, report.entries], [512, log.entries.length - 512]);
  assert.deepEqual({ ...report.pruning }, { minimum: 1024n, reason: "kept for 7 years", entry: BigInt(entry) });
  assert.deepEqual(report.streams.map(({ isComplete, isPruned }) => [isComplete, isPruned]), [[false, true], [true, false]]);
  const whole = await audited(log, (objects) => objects.set("pruned", utf8(`minimum 1024\nannounced ${entry}\n`)));
  assert.deepEqual([codes(whole), whole.unchecked, whole.streams[0].isComplete], [[], 0, true]);
});

/** What is not served and not announced, or announced by nothing that counts. */
const losses = [
  ["above the minimum index", (o, entry) => { prune(o, entry); o.delete("tile/entries/004"); }, 1],
  ["the genesis entry", (o, entry) => { prune(o, entry); o.delete("tile/entries/000"); }, 1],
  ["without a notice", (o, entry) => { prune(o, entry); o.delete("pruned"); }, 2],
  ["by a notice of another entry", (o, entry) => { prune(o, entry); o.set("pruned", utf8("minimum 1024\nannounced 5\n")); }, 2],
  ["by a notice that is none", (o, entry) => { prune(o, entry); o.set("pruned", utf8("<html>")); }, 2],
];

for (const [what, change, count] of losses) {
  test(`what is lost stays lost: ${what}`, async () => {
    const { log, entry } = prunedLog();
    const report = await audited(log, (objects) => change(objects, entry), { entries: "vouchlog" });
    assert.equal(report.counts.get("missing-bundle"), count);
  });
}

test("an announcement that the log did not sign announces nothing", async () => {
  const { log, entry } = prunedLog(keys.operator);
  const report = await audited(log, (objects) => prune(objects, entry));
  assert.equal(report.counts.get("missing-bundle"), 2);
  assert.equal(report.counts.get("undecodable-entry"), 1);
});

/** A fault of what is served: a change of the objects, and the codes that it has. */
const serving = [
  ["missing-checkpoint", (o) => o.delete("checkpoint")],
  ["malformed-checkpoint", (o) => o.set("checkpoint", utf8("not a checkpoint\n"))],
  ["bad-log-signature", (o, log) => o.set("checkpoint", utf8(log.checkpoint(undefined, { by: new TestKey(keys.log.name, 1, seed(9)) })))],
  ["missing-quorum", (o, log) => o.set("checkpoint", utf8(log.checkpoint(undefined, { witness: null })))],
  ["missing-tile", (o) => o.delete("tile/0/001")],
  ["truncated-tile", (o) => o.set("tile/0/001", o.get("tile/0/001").slice(32))],
  ["tile-parent-mismatch", (o) => flip(o, "tile/0/001", 77)],
  ["tile-parent-mismatch", (o) => flip(o, "tile/1/000.p/2", 3)],
  ["missing-bundle", (o) => o.delete("tile/entries/001")],
  ["truncated-bundle", (o) => o.set("tile/entries/001", o.get("tile/entries/001").slice(0, -56))],
  ["altered-entry", (o) => flip(o, "tile/entries/001", 200)],
  ["removed-entry", (o) => o.set("tile/entries/001", o.get("tile/entries/001").slice(56))],
  ["inserted-entry", (o) => o.set("tile/entries/001", Uint8Array.of(...o.get("tile/entries/001"), 0, 1, 7))],
  ["reordered-entries", (o) => {
    const bytes = o.get("tile/entries/001").slice();
    bytes.set(o.get("tile/entries/001").slice(56, 112), 0);
    bytes.set(o.get("tile/entries/001").slice(0, 56), 56);
    o.set("tile/entries/001", bytes);
  }],
];

function flip(objects, path, at) {
  const bytes = objects.get(path).slice();
  bytes[at] ^= 1;
  objects.set(path, bytes);
}

for (const [code, change] of serving) {
  test(`what is served: ${code}`, async () => {
    const { log } = soundLog();
    assert.ok(log.served().has("tile/entries/001"));
    const report = await audited(log, (objects) => change(objects, log));
    assert.deepEqual(codes(report), [code]);
    assert.ok(!report.isClean && report.findings[0].rule.startsWith("R"));
  });
}

test("a forged cosignature explains a missing quorum", async () => {
  const { log } = soundLog(5);
  const forged = log.checkpoint(undefined, { witness: null }) + keys.witness.sign("another text\n");
  const report = await audited(log, (objects) => objects.set("checkpoint", utf8(forged)));
  assert.deepEqual(codes(report), ["forged-cosignature", "missing-quorum"]);
  assert.equal(report.findings[1].followsFrom, 0);
});

test("a signed root that no entries lead to", async () => {
  const { log } = soundLog(5);
  const other = soundLog(5).log;
  other.entries[8] = other.entries[8].slice();
  other.entries[8][53] ^= 1;
  // Tiles and entries agree with each other; the checkpoint is of another tree.
  const report = await audited(log, (objects) => objects.set("checkpoint", utf8(other.checkpoint())));
  assert.deepEqual(codes(report), ["wrong-root"]);
});

test("heads that were seen elsewhere: split view, rollback, another history, another log", async () => {
  const { log } = soundLog();
  const other = soundLog().log;
  other.entries[7] = other.entries[7].slice();
  other.entries[7][53] ^= 1;
  const seen = async (options) => codes(await audited(log, undefined, options));
  assert.deepEqual(await seen({ verified: log.checkpoint(300), witnessed: [log.checkpoint(257), log.checkpoint(0)] }), []);
  assert.deepEqual(await seen({ verified: other.checkpoint() }), ["split-view"]);
  assert.deepEqual(await seen({ verified: other.checkpoint(300) }), ["inconsistent-heads"]);
  assert.deepEqual(await seen({ witnessed: [other.checkpoint(301)] }), ["inconsistent-heads"]);
  const { log: longer } = soundLog(700);
  assert.deepEqual(await seen({ verified: longer.checkpoint() }), ["shrunken-log"]);
  assert.deepEqual(await seen({ witnessed: [longer.checkpoint()] }), ["stale-checkpoint"]);
  const stranger = new TestKey(keys.log.name, 1, seed(9));
  assert.deepEqual(await seen({ witnessed: [other.checkpoint(undefined, { by: stranger })] }), []);
  assert.deepEqual(await seen({ now: 1_767_225_600 + 90_000 }), ["stale-checkpoint"]);
  assert.deepEqual(await seen({ maxEntries: 100 }), ["impossible-size"]);
});

/** Ends a log. */
function retire(log, signers = [keys.log, keys.successor]) {
  const text = `vouchlog/v1 retire\nlog ${keys.log.name}\nkey ${keys.log.vkey}\nsuccessor ${keys.successor.vkey}\nreason planned test\n`;
  return log.control(0x8b, `${text}\n${signers.map((by) => by.sign(text)).join("")}`);
}

/** Faults that the log signed: what it wrote, and the codes. */
const signed = [
  ["bad-genesis", () => { const log = new TestLog(); log.genesis(keys.other); return log; }],
  ["bad-genesis", (log) => log.genesis()],
  ["undecodable-entry", (log) => log.push(Uint8Array.of(0x86, ...field(log.now, 6), 65, 10, 10))],
  ["entry-after-retirement", (log, s) => { retire(log); log.state(s); log.head(s); }],
  ["bad-succession", (log) => retire(log, [keys.log])],
  ["bad-succession", (log) => log.control(0x8c, keys.log.note("vouchlog/v1 continue\n\n"))],
  ["bad-operator-change", (log) => log.changeOperator(keys.operator2, keys.operator, "rotation x", [keys.operator2])],
  ["bad-operator-change", (log) => log.changeOperator(keys.operator2, keys.operator, "lost x", [keys.operator2, keys.recovery])],
  ["retired-operator-key", (log) => {
    log.changeOperator(keys.operator2, keys.operator, "rotation x", [keys.operator, keys.operator2]);
    log.enrol(keys.successor, keys.operator);
  }],
  ["bad-witness-rotation", (log) => log.rotateWitness(keys.witness2, keys.witness, [keys.witness2])],
  ["bad-enrolment", (log) => log.enrol(keys.next, keys.other)],
  ["second-key-for-a-name", (log) => log.enrol(keys.next)],
  ["unknown-gateway", (log) => log.open(keys.next)],
  ["revoked-key-used", (log, s) => { log.revoke(keys.gateway); log.state(s); }],
  ["bad-opening", (log) => log.open(keys.gateway, "none", keys.other)],
  ["bad-restart", (log, s) => log.open(keys.gateway, `${s} 999`)],
  ["unknown-stream", (log) => log.state(1, 2, 0)],
  ["entry-after-close", (log, s) => { log.head(s, { closes: true }); log.state(s); }],
  ["stream-gap", (log, s) => log.state(s, 2, 999)],
  ["stream-fork", (log, s) => log.head(s, { root: new Uint8Array(32) })],
  ["forged-head", (log, s) => log.head(s, { by: keys.witness })],
  ["head-without-entries", (log, s) => log.head(s, { size: 900n })],
  ["time-going-back", (log, s) => { log.now -= 10; log.state(s); log.now += 10; }],
  ["silent-stream", (log, s) => { for (let at = 0; at < 5; at++) { log.now += 25_000; log.head(s); } }],
];

for (const [code, write] of signed) {
  test(`what the log signed: ${code}`, async () => {
    const base = new TestLog();
    base.genesis();
    base.enrol(keys.gateway);
    base.enrol(keys.other);
    const s = base.open(keys.gateway);
    base.open(keys.other);
    base.state(s);
    base.head(s);
    const made = write(base, s);
    const report = await audited(made instanceof TestLog ? made : base);
    assert.deepEqual(codes(report), [code]);
  });
}

test("a log that cannot be asked is no finding", async () => {
  const error = await refused(() => auditLog(async () => { throw new TypeError("fetch failed"); }, trust));
  assert.equal(error.reason, "unreadable");
  const { log } = soundLog(5);
  const signal = { aborted: true };
  assert.equal((await refused(() => audited(log, undefined, { signal }))).reason, "unreadable");
});

test("a log that serves nothing it signed ends the audit, and does not throw", async () => {
  const { log } = soundLog();
  const report = await audited(log, (objects) => { for (const path of [...objects.keys()]) if (path !== "checkpoint") objects.delete(path); });
  assert.ok(codes(report).includes("missing-bundle"));
  assert.ok(report.findings.every((finding) => !(finding instanceof VerifyError)));
});

test("partial tiles may be gone once the full ones exist", async () => {
  const { log } = soundLog();
  const older = log.checkpoint(300);
  const report = await audited(log, (objects) => {
    objects.set("checkpoint", utf8(older));
    for (const path of [...objects.keys()]) if (path.includes(".p/") && !path.startsWith("tile/1")) objects.delete(path);
    objects.set("tile/1/000.p/1", objects.get("tile/1/000.p/2").slice(0, 32));
  });
  assert.deepEqual([codes(report), report.entries], [[], 300]);
});

test("a log that has ended, and heads that its key signed beyond the end", async () => {
  const { log } = soundLog(20);
  const index = retire(log);
  const end = proofFile(new Tree(log.entries), log.entries, index, log.checkpoint());
  const report = await audited(log, undefined, { retirement: end });
  assert.deepEqual([codes(report), report.retired.successor.name], [[], keys.successor.name]);
  log.state(4);
  assert.deepEqual(codes(await audited(log, undefined, { retirement: end })), ["head-after-retirement", "entry-after-retirement"]);
  const evidence = { format: "vouchlog/v1 evidence", kind: "head-after-retirement", origin: keys.log.name, words: "", place: {} };
  const file = { ...evidence, evidence: { type: "after-retirement", end, served: log.checkpoint() } };
  assert.equal((await verifyFindingFile(utf8(JSON.stringify(file)), trust)).verdict, "proven");
  file.evidence.served = log.checkpoint(index + 1);
  assert.equal((await refused(() => verifyFindingFile(utf8(JSON.stringify(file)), trust))).reason, "refuted");
});

test("the operator's key changes by the rules, and each signs in its time", async () => {
  const { log } = soundLog(10);
  const { operator, operator2, recovery } = keys;
  log.nameRecovery(recovery, null, [operator, recovery]);
  log.changeOperator(operator2, operator, "compromised the laptop was stolen", [recovery, operator2]);
  log.enrol(keys.successor, operator2);
  log.rotateWitness(keys.witness2, keys.witness, [keys.witness, keys.witness2]);
  assert.deepEqual(codes(await audited(log)), []);
  // Of two changes of one key the second is refused, and no key comes back.
  log.changeOperator(operator, operator2, "rotation back", [operator2, operator]);
  log.changeOperator(operator2, operator, "compromised again", [recovery, operator2]);
  assert.deepEqual(codes(await audited(log)), ["bad-operator-change", "bad-operator-change"]);
});

test("a stream of a gateway that a later operator enrolled is complete only with the change shown", async () => {
  const log = new TestLog();
  log.genesis();
  const change = log.changeOperator(keys.operator2, keys.operator, "rotation x", [keys.operator, keys.operator2]);
  const enrolment = log.enrol(keys.gateway, keys.operator2);
  const stream = log.open(keys.gateway);
  log.state(stream);
  const last = log.head(stream);
  const [tree, { entries }] = [new Tree(log.entries), log];
  const file = {
    format: "vouchlog/v1 completeness", origin: keys.log.name, from: 0, to: entries.length, checkpoint: log.checkpoint(), genesis: run(tree, entries, 0),
    operators: [run(tree, entries, change)],
    streams: [{ enrolment: run(tree, entries, enrolment), opening: run(tree, entries, stream), entries: [run(tree, entries, last - 1, 2)] }],
  };
  const verify = () => verifyCompletenessFile(utf8(JSON.stringify(file)), trust);
  assert.equal((await verify()).streams[0].signed, 1n);
  file.operators = [];
  assert.equal((await refused(verify)).reason, "incomplete");
});

test("a signature of an unknown operator accuses no log unless every entry before it is there", async () => {
  const log = new TestLog();
  log.genesis();
  log.changeOperator(keys.operator2, keys.operator, "rotation x", [keys.operator, keys.operator2]);
  const index = log.enrol(keys.gateway, keys.operator2);
  const evidenceOf = (kind, indexes) => utf8(JSON.stringify({
    format: "vouchlog/v1 evidence", kind, origin: keys.log.name, words: "", place: { entry: index },
    evidence: { type: "entries", checkpoint: log.checkpoint(), runs: runs(new Tree(log.entries), log.entries, indexes) },
  }));
  const verdict = async (kind, indexes) => (await verifyFindingFile(evidenceOf(kind, indexes), trust)).verdict;
  // Left out, the change makes the enrolment look like a stranger's.
  assert.equal(await verdict("bad-enrolment", [0, index]), "observed");
  await refused(() => verdict("bad-enrolment", [0, 1, index]));
  const old = log.enrol(keys.other, keys.operator);
  const retired = JSON.parse(new TextDecoder().decode(evidenceOf("retired-operator-key", [0, 1, old])));
  retired.place.entry = old;
  assert.equal((await verifyFindingFile(utf8(JSON.stringify(retired)), trust)).verdict, "proven");
});
