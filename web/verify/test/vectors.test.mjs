// Every vector of tests/vectors that this package has a reader for.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";

import { decodeBase64, decodeHex, encodeBase64Url, encodeHex } from "../dist/bytes.js";
import { isUsableKey, verifyEd25519 } from "../dist/ed25519.js";
import { parseJsonText, toJsonValue } from "../dist/json.js";
import { sha256 } from "../dist/sha256.js";
import { sha512 } from "../dist/sha512.js";
import { placeDisclosures } from "../dist/statement.js";
import * as v from "../dist/index.js";
import { CompactRange, drawSample, partialTiles, streamOrigin, tileWidth } from "./internals.mjs";
import { bigJsonOf, bytesOf, jsonOf, outcome, refused, seed, TestKey, textOf, utf8, VECTORS } from "./support.mjs";

const pure = new v.Crypto({ mlDsa44: ml_dsa44, pure: true });
const web = new v.Crypto({ mlDsa44: ml_dsa44 });

test("SHA-256 and SHA-512 agree with OpenSSL at every length around their blocks", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, at) => (at * 7 + 3) & 255);
  for (let length = 0; length <= bytes.length; length++) {
    const part = bytes.subarray(0, length);
    const theirs = (name, ...parts) => parts.reduce((hash, one) => hash.update(one), createHash(name)).digest("hex");
    assert.equal(encodeHex(sha256(part)), theirs("sha256", part));
    assert.equal(encodeHex(v.leafHash(part)), theirs("sha256", Uint8Array.of(0), part));
    assert.equal(encodeHex(sha512(part)), theirs("sha512", part));
  }
});

test("Ed25519: 914 edge cases have one verdict, with and without WebCrypto", async () => {
  const cases = jsonOf("C2SP__CCTV/ed25519/ed25519vectors.json");
  let [usable, accepted] = [0, 0];
  for (const { number, key, sig, msg, flags } of cases) {
    const has = (flag) => (flags ?? []).includes(flag);
    const publicKey = decodeHex(key);
    assert.equal(isUsableKey(publicKey), !has("low_order_A") && !has("non_canonical_A"), `key of case ${number}`);
    if (!isUsableKey(publicKey)) continue;
    usable++;
    const expected = !has("low_order_residue") && !has("non_canonical_R");
    const ours = verifyEd25519(publicKey, utf8(msg), decodeHex(sig));
    assert.equal(ours, expected, `case ${number}: ${flags}`);
    assert.equal(await web.ed25519(publicKey, utf8(msg), decodeHex(sig)), ours, `WebCrypto, case ${number}`);
    accepted += ours;
  }
  assert.equal(cases.length, 914);
  assert.ok(usable > 100 && accepted > 30);
});

const hash = (text) => decodeBase64(text ?? "") ?? new Uint8Array(0);
// Four accepted probes have the text "don't care" for a root, which only has to equal itself or not matter.
const anyRoot = (text) => (hash(text).length === 32 ? hash(text) : text === undefined ? null : sha256(utf8(`no hash: ${text}`)));

function probes(set, count, check) {
  const folder = fileURLToPath(new URL(`transparency-dev__merkle/testdata/${set}/`, VECTORS));
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".json"));
  assert.equal(files.length, count);
  let accepted = 0;
  for (const file of files) {
    const probe = bigJsonOf(join(folder, file), "file://");
    let holds = true;
    try {
      check(probe, (probe.proof ?? []).map(hash));
    } catch (error) {
      assert.ok(error instanceof v.VerifyError, `${file}: ${error.stack}`);
      holds = false;
    }
    assert.equal(!holds, probe.wantErr, file);
    accepted += holds;
  }
  assert.ok(accepted > 0);
}

test("inclusion: 98 probes", () => probes("inclusion", 98, (probe, proof) => {
  v.verifyInclusion(BigInt(probe.leafIdx), { size: BigInt(probe.treeSize), root: hash(probe.root) }, hash(probe.leafHash), proof);
}));

test("consistency: 98 probes, by two algorithms", () => probes("consistency", 98, (probe, proof) => {
  const [older, newer] = [1, 2].map((n) => ({ size: BigInt(probe[`size${n}`]), root: anyRoot(probe[`root${n}`]) }));
  const by = (check) => {
    try {
      check();
      return true;
    } catch (error) {
      assert.ok(error instanceof v.VerifyError);
      return false;
    }
  };
  const first = by(() => v.verifyConsistency(older, newer, proof));
  if (older.size > 0n) assert.equal(by(() => v.verifySubtreeConsistency(0n, older.size, older.root, newer, proof)), first);
  v.verifyConsistency(older, newer, proof);
}));

test("subtree inclusion: 204 probes", () => probes("subtreeinclusion", 204, (probe, proof) => {
  v.verifySubtreeInclusion(BigInt(probe.leafIdx), BigInt(probe.start), BigInt(probe.end), hash(probe.leafHash), proof, hash(probe.root));
}));

test("subtree consistency: 118 probes", () => probes("subtreeconsistency", 118, (probe, proof) => {
  const head = { size: BigInt(probe.size), root: anyRoot(probe.root2) };
  v.verifySubtreeConsistency(BigInt(probe.start), BigInt(probe.end), anyRoot(probe.root1), head, proof);
}));

test("the reference tree: roots and proofs of every size to 8", () => {
  const file = jsonOf("computed/rfc6962-reference-tree.json");
  const leaves = file.leaf_inputs_hex.map((input) => v.leafHash(decodeHex(input)));
  assert.deepEqual(leaves.map(encodeHex), file.leaf_hashes_hex);
  const roots = file.roots_by_size_hex.map(decodeHex);
  const range = new CompactRange();
  roots.forEach((root, size) => {
    assert.equal(encodeHex(range.root()), encodeHex(root));
    if (size < 8) range.push(leaves[size]);
  });
  for (const { index, size, proof } of file.inclusion) {
    v.verifyInclusion(BigInt(index), { size: BigInt(size), root: roots[size] }, leaves[index], proof.map(decodeHex));
  }
  for (const { old, new: size, proof } of file.consistency) {
    v.verifyConsistency({ size: BigInt(old), root: roots[old] }, { size: BigInt(size), root: roots[size] }, proof.map(decodeHex));
  }
  assert.equal(file.inclusion.length + file.consistency.length, 72);
});

test("tile paths and shapes", async () => {
  const { paths, shapes } = jsonOf("computed/tiles-shapes.json");
  for (const [index, path] of Object.entries(paths)) {
    const named = { level: "entries", index: BigInt(index), width: 256 };
    assert.equal(v.formatTilePath(named), `tile/entries/${path}`);
    assert.deepEqual(v.parseTilePath(`tile/entries/${path}`), named);
  }
  for (const [size, levels] of Object.entries(shapes)) {
    const partial = partialTiles(BigInt(size));
    for (const { level, full, partial_width: width } of levels) {
      assert.equal(partial.find((tile) => tile.level === level)?.width ?? 0, width);
      assert.equal(tileWidth(level, BigInt(full), BigInt(size)), width);
      if (full > 0) assert.equal(tileWidth(level, BigInt(full) - 1n, BigInt(size)), 256);
    }
    assert.equal(partial.length, levels.filter(({ partial_width: width }) => width !== 0).length);
  }
  for (const path of ["tile/0/0", "tile/0/x000/001", "tile/64/000", "tile/0/000.p/256", "tile/0/000.p/0", "tile/00/000", "/tile/0/000", "tile/0/X001/000", "tile/0/001/000", ""]) {
    assert.equal((await refused(() => v.parseTilePath(path))).reason, "format");
  }
});

test("notes of golang/mod", async () => {
  const file = jsonOf("golang__mod/sumdb-note-vectors.json");
  for (const vkey of file.vkeys_valid) assert.equal(v.parseVkey(vkey).vkey, vkey);
  for (const { vkey } of file.vkeys_invalid.filter((one) => "vkey" in one)) assert.equal((await refused(() => v.parseVkey(vkey))).reason, "key");
  const [vkey] = file.vkeys_valid;
  for (let at = 0; at < vkey.length; at++) {
    await refused(() => v.parseVkey(vkey.slice(0, at)));
    await refused(() => v.parseVkey(vkey.slice(at + 1)));
    await refused(() => v.parseVkey(`${vkey.slice(0, at)}${String.fromCharCode(vkey.charCodeAt(at) + 1)}${vkey.slice(at + 1)}`));
  }
  for (const { note, note_b64: base64, known, expect, verified } of file.open_cases) {
    const bytes = base64 === undefined ? utf8(note) : decodeBase64(base64);
    const open = async () => v.verifyNote(v.parseNote(bytes), known.map(v.parseVkey), web);
    if (expect.startsWith("error")) {
      await refused(open);
    } else {
      const { signatures } = await open();
      assert.deepEqual(signatures.map(({ key }) => key.name), verified ?? ["PeterNeumann"], expect);
    }
  }
});

test("examples of the C2SP specifications", async () => {
  const file = jsonOf("C2SP__C2SP/spec-examples.json");
  for (const crypto of [pure, web]) {
    for (const name of ["signed_note", "real_checkpoint_behind_example"]) {
      const { note, vkey } = file[name];
      await v.verifyNote(v.parseNote(note), [v.parseVkey(vkey)], crypto);
    }
  }
  assert.equal(v.parseNote(file.multi_paragraph_note.note).lines.length, 1);
  const checkpoint = v.parseCheckpointText(v.parseNote(file.checkpoint_example.note).text);
  assert.equal(checkpoint.head.size, 20852163n);
});

const { origin, log, ...params } = jsonOf("computed/e2e/params.json");
const trustOf = (options = {}) => new v.Trust({ logVkey: log.vkey, mlDsa44: ml_dsa44, ...options });

test("the computed log: checkpoints, cosignatures of both types, policy, proof files", async () => {
  const policy = bytesOf("computed/e2e/policy.txt");
  for (const size of [0n, 256n, 300n]) {
    const { head } = await trustOf().open(bytesOf(`computed/e2e/checkpoint.${size}`));
    assert.equal(head.size, size);
    assert.equal(encodeHex(head.root), params.roots[size]);
  }
  for (const name of ["checkpoint.300.cosigned", "checkpoint.300.cosigned-ed25519-only"]) {
    for (const isPure of [false, true]) {
      const { cosignatures } = await trustOf({ policy, pure: isPure }).checkpoint(bytesOf(`computed/e2e/${name}`));
      assert.equal(cosignatures.length, name.endsWith("only") ? 1 : 2);
      assert.ok(cosignatures.every(({ timestamp }) => timestamp === BigInt(params.timestamp)));
    }
  }
  assert.equal((await refused(() => trustOf({ policy }).checkpoint(bytesOf("computed/e2e/checkpoint.300")))).reason, "quorum");
  // Without the algorithm the line cannot be judged, and is not taken for absent.
  const without = new v.Trust({ logVkey: log.vkey, policy });
  assert.equal((await refused(() => without.checkpoint(bytesOf("computed/e2e/checkpoint.300.cosigned")))).reason, "unsupported");
  const entry = utf8("entry 273");
  for (const name of ["proof-273-of-300", "proof-273-of-300-extra"]) {
    const shown = await v.verifyProofFile(bytesOf(`computed/e2e/${name}.tlog-proof`), trustOf({ policy }), { entry });
    assert.equal(shown.index, 273n);
  }
  const wrong = () => v.verifyProofFile(bytesOf("computed/e2e/proof-273-of-300.tlog-proof"), trustOf(), { entry: utf8("entry 274") });
  assert.equal((await refused(wrong)).reason, "not-included");
  await v.verifyProofFile(bytesOf("computed/e2e/proof-0-of-1.tlog-proof"), trustOf(), { entry: utf8("entry 0") });
});

test("the computed log: requests to witnesses carry proofs that hold", () => {
  const request = textOf("computed/e2e/add-checkpoint/256-to-300.request");
  const [head, note] = [request.slice(0, request.indexOf("\n\n")), request.slice(request.indexOf("\n\n") + 2)];
  const newer = v.parseCheckpointText(v.parseNote(note).text).head;
  const older = { size: 256n, root: decodeHex(params.roots[256]) };
  v.verifyConsistency(older, newer, head.split("\n").slice(1).map(decodeBase64));
  const subtree = textOf("computed/e2e/sign-subtree/256-300-of-300.request");
  const [, hashOf, ...proof] = subtree.slice(0, subtree.indexOf("\n\n")).split("\n");
  v.verifySubtreeConsistency(256n, 300n, decodeBase64(hashOf), newer, proof.map(decodeBase64));
});

test("disclosures and processed payloads of RFC 9901", () => {
  for (const { disclosure, json, sha256_digest_b64url: digest } of jsonOf("sd_jwt/disclosures.json").disclosures) {
    assert.equal(encodeBase64Url(sha256(utf8(disclosure))), digest);
    if (json !== undefined) assert.equal(encodeBase64Url(utf8(json)), disclosure);
  }
  const { examples } = jsonOf("sd_jwt/rfc9901.json");
  assert.equal(examples.length, 7);
  for (const { name, sd_jwt: sdJwt, processed, ...apart } of examples) {
    const [jwt, ...rest] = (sdJwt ?? "").split("~");
    const payload = apart.payload ? JSON.stringify(apart.payload) : Buffer.from(jwt.split(".")[1], "base64url").toString();
    const disclosures = apart.disclosures ?? rest.filter((one) => one !== "");
    const { members } = placeDisclosures(parseJsonText(payload), disclosures);
    assert.deepEqual(JSON.parse(JSON.stringify(toJsonValue(members))), processed, name);
  }
});

const KNOWN_CONTROL_KINDS = [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d];

test("entries of every kind, and none of any other", async () => {
  const { entries, keys, origin: named } = jsonOf("entries/entries.json");
  const key = (name) => v.parseVkey(keys[name].vkey);
  const readers = {
    genesis: (note) => v.openGenesis(note, [key("log")], web),
    "gateway-enrolled": (note) => v.openEnrolment(note, named, key("operator"), web),
    "gateway-revoked": (note) => v.openRevocation(note, named, key("operator"), web),
    "quota-set": (note) => v.openQuota(note, named, key("operator"), web),
    "log-pruned": (note) => v.openPruning(note, named, key("log"), web),
    "witness-rotated": (note) => v.openWitnessRotation(note, web),
    "log-retired": (note) => v.openRetirement(note, web),
    "log-continued": (note) => v.openContinuation(note, key("successor"), web),
    "stream-opened": (note) => v.openStreamOpening(note, named, web),
  };
  const seen = new Set();
  for (const { name, hex, leaf_hash: leaf } of entries) {
    const bytes = decodeHex(hex);
    assert.equal(encodeHex(v.leafHash(bytes)), leaf, name);
    if (!KNOWN_CONTROL_KINDS.includes(bytes[0]) && bytes[0] >= 0x80) {
      // A log may be newer than its reader. What the reader does not know it refuses by name.
      assert.match((await refused(() => v.decodeEntry(bytes))).message, /unknown kind 0x8/, name);
      continue;
    }
    const entry = v.decodeEntry(bytes);
    seen.add(entry.kind);
    if ("note" in entry && readers[entry.kind]) await readers[entry.kind](entry.note);
    if ("note" in entry && "stream" in entry) {
      const { head } = await v.openCosigned(entry.note, streamOrigin(named, entry.stream), key("stream"), web);
      assert.ok(head.size > 0n);
    }
    // An undefined kind is never taken for a defined one.
    for (const kind of [0x00, 0x0c, 0x10, 0x7f, 0x86, 0xff]) {
      const other = bytes.slice();
      other[0] = kind;
      assert.equal(await outcome(() => v.decodeEntry(other)), "entry", `${name} as kind ${kind}`);
    }
  }
  assert.ok(seen.size >= 18);
});

test("a reason is a cause and any words of one line", async () => {
  const name = "gateway.example.com";
  const [operator, old, gateway] = [new TestKey("operator.example.com", 1, seed(41)), new TestKey(name, 1, seed(42)), new TestKey(name, 1, seed(43))];
  const open = (reason) => v.openEnrolment(
    operator.note(`vouchlog/v1 enrol\nlog log.example.com\ngateway ${gateway.vkey}\nreplaces ${old.vkey}\nreason ${reason}\n`),
    "log.example.com", v.parseVkey(operator.vkey), web,
  );
  // Unicode has characters besides the line feed that JavaScript takes for the end of a line; the format has none.
  for (const reason of ["lost a", "error  two  blanks", "compromised a\u2028b\u2029c", `lost ${"x".repeat(512)}`]) {
    assert.equal((await open(reason)).replaces.reason, reason);
  }
  for (const reason of ["lost", "lost ", "losts", "planned a", "rotation a", `lost ${"x".repeat(513)}`]) assert.equal(await outcome(() => open(reason)), "note", reason);
});

test("a sample that was worked out with another program", () => {
  assert.deepEqual(drawSample(sha256(utf8("root")), 1000n, 5), [154n, 476n, 512n, 514n, 773n]);
  assert.equal(drawSample(sha256(utf8("")), 300n, 300).length, 300);
});
