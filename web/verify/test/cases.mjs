// The cases of the differential suite: random valid and damaged inputs of every kind, each from its number.

import { encodeBase64, encodeHex } from "../dist/bytes.js";
import { auditLog } from "../dist/audit/audit.js";
import { Trust } from "../dist/index.js";
import { FINDING_KINDS, streamLeafHash, tryDecode } from "./internals.mjs";
import { field, keys, ORIGIN, POLICY, streamKey } from "./log.mjs";
import { proofFile, run, runs, Tree } from "./prove.mjs";
import { damage, HOUSE, pick, randomLog } from "./random_logs.mjs";
import { makeStatement } from "./statements.mjs";
import { bytesOf, FILES, random, seed, TestKey, textOf, utf8 } from "./support.mjs";
import { concat } from "../dist/bytes.js";

const VKEY = keys.log.vkey;
const gatewayOf = (bytes) => /^gateway (.*)$/m.exec(tryDecode(bytes)?.note ?? "")?.[1];

/** The index of the entry that enrols the gateway of a stream; 0 if there is none. */
function enrolmentOf(entries, stream) {
  const gateway = gatewayOf(entries[stream]);
  return Math.max(0, entries.findIndex((bytes) => tryDecode(bytes)?.kind === "gateway-enrolled" && gatewayOf(bytes) === gateway));
}

const maybe = (next, value) => (next(3) === 0 ? undefined : value);

/** Damages a text: bytes, digits, pieces that stand elsewhere in it. */
export function damageText(next, bytes) {
  const at = next(bytes.length);
  const length = 1 + next(next(4) ? 3 : 60);
  const [head, middle, tail] = [bytes.slice(0, at), bytes.slice(at, at + length), bytes.slice(at + length)];
  switch (next(7)) {
    case 0: return concat(head, tail);
    case 1: return concat(head, middle, middle, tail);
    case 2: return concat(head, Uint8Array.of(next(256)), tail);
    case 3: return concat(head, utf8(pick(next, ["\n", "\n\n", '"', "0", "=", "\u2014 ", "~", ".", ",", "null", "\t", "\u00a0", "1e0", "[]", "{}"])), middle, tail);
    case 4: return concat(head, bytes.slice(next(bytes.length)).slice(0, length), tail);
    case 5: return bytes.map((byte, place) => (place === at && byte >= 0x30 && byte <= 0x39 ? 0x30 + next(10) : byte));
    default: return bytes.map((byte, place) => (place === at ? byte ^ (1 << next(8)) : byte));
  }
}

/** Damages JSON: a random member or element is dropped, repeated, swapped with another, or nudged. */
function damageJson(next, value) {
  const nodes = [];
  const visit = (node, path) => {
    if (node && typeof node === "object") {
      for (const name of Object.keys(node)) {
        nodes.push([node, Array.isArray(node) ? Number(name) : name]);
        if (nodes.length < 3000) visit(node[name], path + 1);
      }
    }
  };
  visit(value, 0);
  if (nodes.length === 0) return;
  const [node, name] = pick(next, nodes);
  const other = pick(next, nodes);
  switch (next(6)) {
    case 0: Array.isArray(node) ? node.splice(name, 1) : delete node[name]; break;
    case 1: if (Array.isArray(node)) node.splice(name, 0, node[name]); break;
    case 2: node[name] = JSON.parse(JSON.stringify(other[0][other[1]])); break;
    case 3: node[name] = typeof node[name] === "number" ? Math.max(0, node[name] + next(3) - 1) : pick(next, [null, 0, "", [], {}, true]); break;
    case 4: if (Array.isArray(node)) node.reverse(); else node.unknown = 1; break;
    default: {
      const list = nodes.filter(([, at]) => typeof at === "number");
      if (list.length > 1) {
        const [one, two] = [pick(next, list), pick(next, list)];
        const [first, second] = [one[0][one[1]], two[0][two[1]]].map((node) => JSON.parse(JSON.stringify(node)));
        one[0][one[1]] = second;
        two[0][two[1]] = first;
      }
    }
  }
}

/** The Rust reader takes an empty list for a place without members, as its library does; this package wants an object. */
function withoutArrayPlace(file) {
  if (Array.isArray(file.place)) file.place = {};
}

function finishJson(next, kind, value, more = {}) {
  const copy = JSON.parse(JSON.stringify(value));
  if (next(3) === 0) damageJson(next, copy);
  withoutArrayPlace(copy);
  let bytes = utf8(JSON.stringify(copy));
  if (next(12) === 0) bytes = damageText(next, bytes);
  return { kind, vkey: VKEY, bytes: encodeBase64(bytes), ...more };
}

function auditCase(next) {
  const log = randomLog(next, next(8) ? 5 + next(40) : next(8) ? 250 + next(20) : 500 + next(300));
  const objects = log.served();
  if (next(3) === 0) damage(next, objects, log);
  const encoded = Object.fromEntries([...objects].map(([path, bytes]) => [path, encodeBase64(bytes)]));
  return { kind: "audit", vkey: VKEY, policy: maybe(next, POLICY), objects: encoded, now: maybe(next, 1_767_225_600 + next(200_000)) };
}

function completenessCase(next) {
  const log = randomLog(next, 6 + next(40));
  const { entries } = log;
  const size = entries.length;
  const tree = new Tree(entries);
  const to = next(4) ? size : next(size + 2);
  const operators = entries.flatMap((bytes, at) => (tryDecode(bytes)?.kind === "operator-changed" && next(6) ? [run(tree, entries, at)] : []));
  const streams = [...log.streams.keys()].filter(() => next(4) > 0).map((stream) => {
    const enrolments = entries.flatMap((bytes, at) => (tryDecode(bytes)?.kind === "gateway-enrolled" ? [at] : []));
    const enrolment = next(8) ? enrolmentOf(entries, stream) : pick(next, [...enrolments, 0]);
    const mine = entries.flatMap((bytes, at) => (tryDecode(bytes)?.stream === stream && at < to ? [at] : []));
    const heads = mine.filter((at) => tryDecode(entries[at]).kind === "stream-head");
    let indexes = mine;
    let base;
    if (heads.length > 0 && next(2)) {
      const start = pick(next, heads);
      const leaves = mine.filter((at) => at < start && tryDecode(entries[at]).isStatement).map((at) => streamLeafHash(entries[at]));
      base = { head: run(tree, entries, start), range: Tree.compact(leaves).map(encodeHex) };
      indexes = mine.filter((at) => at > start);
    }
    if (next(8) === 0) indexes = indexes.filter(() => next(6) > 0);
    if (next(15) === 0) indexes = [...indexes, next(size)];
    return { enrolment: run(tree, entries, enrolment), opening: run(tree, entries, stream), base, entries: runs(tree, entries, indexes) };
  });
  const file = {
    format: "vouchlog/v1 completeness", origin: ORIGIN, from: 0, to, checkpoint: log.checkpoint(),
    genesis: run(tree, entries, 0, next(8) ? 1 : Math.min(2, size)), streams,
    operators: operators.length > 0 ? operators : undefined,
  };
  return finishJson(next, "completeness", file, { policy: maybe(next, POLICY) });
}

const ENTRY_KINDS = FINDING_KINDS.slice(FINDING_KINDS.indexOf("bad-genesis"));

/** What an audit finds in what the log signed: the first findings are the likeliest to be proven. */
async function suspect(next, log) {
  const { findings } = await auditLog(log.reader(), new Trust({ logVkey: VKEY }), { entries: "vouchlog" });
  const found = findings.filter(({ place }) => place.entry !== undefined);
  return found.length > 0 && next(4) ? pick(next, found) : null;
}

async function evidenceCase(next) {
  const log = randomLog(next, 6 + next(30), false);
  const { entries } = log;
  const size = entries.length;
  const tree = new Tree(entries);
  const checkpoint = log.checkpoint();
  const found = await suspect(next, log);
  const index = found === null ? next(size) : Number(found.place.entry);
  let kind = found?.kind ?? pick(next, ENTRY_KINDS);
  let evidence;
  switch (next(12)) {
    case 0: {
      const other = randomLog(next, 6 + next(20));
      const same = next(2) ? size : next(size + 1);
      kind = pick(next, ["split-view", "shrunken-log", "stale-checkpoint", "inconsistent-heads"]);
      evidence = { type: "two-heads", known: next(2) ? log.checkpoint(same) : other.checkpoint(), served: pick(next, [checkpoint, other.checkpoint()]) };
      break;
    }
    case 1: {
      const old = 1 + next(size);
      kind = next(5) ? "inconsistent-heads" : kind;
      const forked = randomLog(next, size + 1);
      const known = next(2) ? log.checkpoint(old) : forked.checkpoint(Math.min(old, forked.entries.length));
      evidence = { type: "prefix", old: known, new: checkpoint, prefix_root: encodeHex(tree.root(0, old)), proof: tree.consistency(old).map(encodeHex) };
      break;
    }
    case 2: {
      const count = 1 + next(Math.min(size, 20));
      const first = next(size - count + 1);
      const { left, right } = tree.range(first, count);
      const objects = log.served();
      damage(next, objects, log);
      const served = concat(...entries.slice(first, first + count).flatMap((entry) => [field(entry.length, 2), entry]));
      const bytes = next(4) ? damageText(next, served) : served;
      kind = pick(next, ["altered-entry", "removed-entry", "inserted-entry", "truncated-bundle", "reordered-entries"]);
      evidence = {
        type: "bundle", checkpoint, first, leaves: tree.leaves.slice(first, first + count).map(encodeHex),
        left: left.map(encodeHex), right: right.map(encodeHex), served: servedOf(bytes, next),
      };
      break;
    }
    case 3: evidence = pick(next, [{ type: "none" }, { type: "object", checkpoint, served: servedOf(utf8("x"), next) }, { type: "object", checkpoint }]); break;
    case 4: {
      kind = pick(next, ["missing-checkpoint", "malformed-checkpoint", "bad-log-signature", "forged-cosignature", "missing-quorum", "stale-checkpoint", "impossible-size"]);
      const forged = log.checkpoint(undefined, { witness: null }) + keys.witness.sign("x\n");
      evidence = { type: "note", note: pick(next, ["", checkpoint, forged, log.checkpoint(undefined, { witness: null }), log.checkpoint(undefined, { by: keys.other }), "x\n"]) };
      break;
    }
    default: {
      const from = next(3) ? 0 : next(index + 1);
      const held = entries.map((_, at) => at).filter((at) => at === 0 || (at >= from && at <= index) || next(3) === 0);
      const some = next(4) ? held : held.filter((at) => at === 0 || next(4) > 0);
      const stream = tryDecode(entries[from])?.stream;
      const leaves = entries.flatMap((bytes, at) => (at < from && tryDecode(bytes)?.isStatement && tryDecode(bytes).stream === stream ? [streamLeafHash(bytes)] : []));
      evidence = { type: "entries", checkpoint, runs: runs(tree, entries, some.length > 0 ? some : [0]), stream_range: next(2) ? Tree.compact(leaves).map(encodeHex) : undefined };
    }
  }
  const place = next(10) ? { entry: index } : {};
  const file = { format: "vouchlog/v1 evidence", kind, origin: ORIGIN, words: "", place, evidence };
  return finishJson(next, "evidence", file, { policy: maybe(next, POLICY) });
}

const servedOf = (bytes, next) => ({
  sha256: encodeHex(tryDecode.sha256(bytes)), length: bytes.length + (next(10) ? 0 : 1), bytes: next(6) ? encodeBase64(bytes) : "",
});

/** A log with statements that stand behind records, and what presents them. */
function presentable(next) {
  const log = randomLog(next, 5 + next(10), next(4) > 0);
  const stream = pick(next, [...log.streams.keys()]);
  const opened = [...log.streams.keys()];
  const signer = next(6) ? stream : pick(next, opened);
  const statements = [];
  for (let count = 0; count < 1 + next(3); count++) {
    const kind = pick(next, ["interaction", "interaction", "intent", "session-seal"]);
    const record = next(10) ? `rec-${count}` : "rec-0";
    const made = makeStatement(next, { gateway: keys.gateway, stream: signer, key: streamKey(signer), record, kind, session: next(10) ? "sess-1" : "sess-2" });
    const byte = { interaction: 2, intent: 1, "session-seal": 3 }[kind];
    const bytes = concat(Uint8Array.of(next(20) ? byte : 2), field(log.now, 6), field(next(20) ? stream : 3, 5), field(count, 6), field(next(20) ? 3 : 1, 4), made.digest);
    statements.push({ ...made, kind, index: log.push(bytes) });
    log.now += 100;
  }
  if (next(4) === 0) log.revoke(keys.gateway, log.now - next(1000));
  return { log, stream, signer, statements };
}

function proofsOf(next, { log, stream, signer }) {
  const tree = new Tree(log.entries);
  const note = log.checkpoint();
  const proof = (index) => proofFile(tree, log.entries, index, note);
  const find = (kind) => log.entries.flatMap((bytes, at) => (tryDecode(bytes)?.kind === kind ? [at] : []));
  const enrolments = find("gateway-enrolled");
  // The changes of the operator's key stand behind the genesis, all of them or some.
  const changes = find("operator-changed").filter(() => next(5)).map(proof).join("");
  const revocations = [...find("gateway-revoked"), ...(next(3) ? [] : enrolments)];
  const identity = (id) => ({
    enrolment: proof(next(12) ? enrolmentOf(log.entries, id) : pick(next, [...enrolments, 0])),
    opening: proof(next(20) ? id : next(log.entries.length)),
    status: pick(next, [undefined, { as_of: next(40) }, revocations.length > 0 ? { as_of: 9, revocation: proof(pick(next, revocations)) } : undefined]),
  });
  return { proof, genesis: proof(next(20) ? 0 : 1) + changes, identity, signedBy: signer === stream ? undefined : identity(signer) };
}

function presentationCase(next) {
  const world = presentable(next);
  const { proof, genesis, identity, signedBy } = proofsOf(next, world);
  const [statement] = world.statements;
  const file = {
    format: "vouchlog/v1 presentation", origin: ORIGIN, sd_jwt: statement.sdJwt, proof: proof(statement.index), genesis,
    stream: identity(world.stream), signed_by: signedBy,
  };
  const gateways = pick(next, [[], [], [keys.gateway.vkey], [keys.other.vkey]]);
  return finishJson(next, "presentation", file, { policy: maybe(next, POLICY), gateways });
}

function sessionCase(next) {
  const world = presentable(next);
  const { proof, genesis, identity, signedBy } = proofsOf(next, world);
  const stream = identity(world.stream);
  const parts = [];
  const place = (text) => (text === undefined ? undefined : parts.includes(text) ? parts.indexOf(text) : parts.push(text) - 1);
  const pack = (of) => of && {
    enrolment: place(of.enrolment), opening: place(of.opening), status: of.status && { as_of: of.status.as_of, revocation: place(of.status.revocation) },
  };
  const packed = world.statements.map(({ sdJwt, index, kind }) => ({
    kind, one: { sd_jwt: sdJwt, proof: proof(index), genesis: place(genesis), stream: pack(stream), signed_by: pack(signedBy) },
  }));
  const seal = packed.find(({ kind }) => kind === "session-seal");
  const file = {
    format: "vouchlog/v1 session", origin: ORIGIN, session: "sess-1", disclosed: ["/tools"], known: packed.length, parts,
    records: packed.filter((it) => it !== seal).map(({ one }) => one), seal: seal?.one,
  };
  return finishJson(next, "session", file, { policy: maybe(next, POLICY) });
}

/** Checkpoints with lines of strangers, repeated and forged lines, extension lines; and policies of random shape. */
function checkpointCase(next) {
  const log = randomLog(next, 4 + next(5), true);
  const [origin, size, root] = log.checkpoint(next(log.entries.length + 1)).split("\n");
  const text = `${next(15) ? origin : "log.example.com/other"}\n${next(20) ? size : pick(next, ["01", "-1", "9223372036854775808", ""])}\n${root}\n${next(8) ? "" : pick(next, ["extension\n", "\n", "a\n\nb\n"])}`;
  const witnesses = [1, 2, 3].map((n) => new TestKey(`w${n}.example.com`, 4, seed(20 + n)));
  const signers = [keys.log, ...witnesses, keys.other].filter((key) => (key === keys.log ? next(20) > 0 : next(2)));
  const lines = signers.map((key) => (next(25) ? key.sign(text) : key.sign(`${text}x\n`)));
  if (next(15) === 0 && lines.length > 0) lines.push(pick(next, lines));
  let bytes = utf8(`${text}\n${lines.sort(() => next(3) - 1).join("")}`);
  if (next(6) === 0) bytes = damageText(next, bytes);
  return { kind: "checkpoint", vkey: VKEY, policy: maybe(next, randomPolicy(next, witnesses)), bytes: encodeBase64(bytes) };
}

function randomPolicy(next, witnesses) {
  const lines = witnesses.filter(() => next(8)).map((key, at) => `witness ${next(25) ? `w${at}` : "w0"} ${key.vkey}${next(3) ? "" : " https://w.example"}`);
  if (next(6) === 0) lines.push(`log ${pick(next, [VKEY, keys.other.vkey, witnesses[0].vkey])}`);
  if (next(20) === 0) lines.push(`witness x ${keys.gateway.vkey}`);
  const names = lines.flatMap((line) => (line.startsWith("witness") ? [line.split(" ")[1]] : []));
  const groups = [];
  for (let count = next(3); count > 0; count--) {
    const pool = [...names, ...groups.map(([name]) => name)];
    const members = pool.filter(() => next(3));
    if (members.length > 0) groups.push([`g${groups.length}`, pick(next, ["any", "all", "1", "2", "3", "0", "01"]), ...members]);
  }
  lines.push(...groups.map((group) => `group ${group.join(" ")}`));
  if (next(25)) lines.push(`quorum ${pick(next, ["none", ...names, ...groups.map(([name]) => name), "g0", "any"])}`);
  if (next(10) === 0) lines.unshift(pick(next, ["# comment", "", "  \t", "witness", "unknown x", "\u00e9"]));
  return `${lines.join("\n")}${next(30) ? "\n" : ""}`;
}

function proofCase(next) {
  const log = randomLog(next, 3 + next(60), true);
  const tree = new Tree(log.entries);
  const index = next(log.entries.length);
  let bytes = utf8(proofFile(tree, log.entries, index, log.checkpoint()));
  if (next(2)) bytes = damageText(next, bytes);
  return { kind: "proof", vkey: VKEY, policy: maybe(next, POLICY), bytes: encodeBase64(bytes) };
}

function entryCase(next) {
  const log = randomLog(next, 8);
  const bytes = pick(next, log.entries);
  return { kind: "entry", vkey: VKEY, bytes: encodeBase64(next(4) && bytes.length > 0 ? damageText(next, bytes) : bytes) };
}

function vkeyCase(next) {
  let key = new TestKey(pick(next, ["a.example", "b", "\u00fcber.example", "a b", "a+b", ""]), pick(next, [1, 4]), seed(next(200))).vkey;
  if (next(3) === 0) {
    // Any 32 bytes, with the id that they would have.
    const other = new TestKey("p.example", 1, seed(1));
    other.publicKey = next(2) ? Uint8Array.from({ length: 32 }, () => next(256)) : Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? pick(next, [0, 1, 0xec, 0xed, 0xee]) : at === 31 ? pick(next, [0, 0x7f, 0x80, 0xff]) : pick(next, [0, 0, 0xff])));
    key = TestKey.vkeyOf(other);
  }
  const bytes = utf8(key);
  return { kind: "vkey", vkey: VKEY, bytes: encodeBase64(next(3) ? bytes : damageText(next, bytes)) };
}

/** Files that the real program wrote, damaged. */
const REAL = [
  ["proof", "entry-0.tlog-proof"], ["proof", "receipt.tlog-proof"], ["presentation", "presentation.json"], ["session", "session.json"],
  ["completeness", "streams.completeness.json"], ["evidence", "altered.finding.json"],
];

function realCase(next) {
  const [kind, name] = pick(next, REAL);
  const trust = { vkey: textOf("log.vkey", FILES).trim(), policy: maybe(next, textOf("policy.txt", FILES)) };
  const bytes = bytesOf(name, FILES);
  if (name.endsWith(".json") && next(2)) {
    const value = JSON.parse(new TextDecoder().decode(bytes));
    damageJson(next, value);
    withoutArrayPlace(value);
    return { kind, ...trust, bytes: encodeBase64(utf8(JSON.stringify(value))) };
  }
  return { kind, ...trust, bytes: encodeBase64(next(20) ? damageText(next, bytes) : bytes) };
}

const MAKERS = [
  auditCase, auditCase, completenessCase, completenessCase, evidenceCase, evidenceCase, evidenceCase, presentationCase, presentationCase,
  sessionCase, checkpointCase, checkpointCase, proofCase, entryCase, vkeyCase, realCase, realCase,
];

/** The case of a number; always the same, as long as this file stays as it is. */
export async function makeCase(number) {
  const next = random(number * 7919 + 17);
  return MAKERS[number % MAKERS.length](next);
}

export { HOUSE };
