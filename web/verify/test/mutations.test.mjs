// Single-byte mutations of each kind of file that the real program wrote: the untouched file holds; a mutated one is refused, or
// shows exactly what the untouched file shows, and then only in places that no signature covers by design.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as v from "../dist/index.js";
import { bytesOf, canonical, FILES, outcome, random, textOf } from "./support.mjs";

const { Trust, verifyFile, VerifyError } = v;

// VOUCHLOG_LONG_TESTS=1: the long form.
const MUTATIONS = process.env.VOUCHLOG_LONG_TESTS === "1" ? 10_000 : 300;
const trustWith = (policy) => new Trust({ logVkey: textOf("log.vkey", FILES).trim(), policy });
const anyWitness = trustWith(textOf("policy.txt", FILES));
// A line whose key name or id was changed is a stranger's, and ignored. With this policy the cosignature is missing then.
const bothWitnesses = trustWith(textOf("policy.txt", FILES).replace(" any a b", " all a b"));

const NAMES = [
  "entry-0.tlog-proof", "receipt.tlog-proof", "presentation.json", "session.json", "streams.completeness.json", "sample.json",
  "altered.finding.json",
];

/** Members that a file has for people, and no verifier takes for evidence: docs/auditing.md and docs/statements.md name each. */
const FOR_PEOPLE = {
  "presentation.json": ["as_of"],
  "session.json": ["as_of", "disclosed", "known", "parts"],
  "streams.completeness.json": ["origin", "from", "to"],
  "sample.json": ["origin"],
  "altered.finding.json": ["origin", "words", "place", "tile", "entry"],
};

/** The name of the member of a JSON text that holds the byte, or null. */
function memberAt(before) {
  const names = [...before.matchAll(/"([a-z_0-9]+)"\s*:/g)];
  return names.at(-1)?.[1] ?? null;
}

/** Whether the line that ends here is a cosignature. An observation asks for none: it proves nothing. */
const isInCosignature = (before) => /\u2014 (?!l)[^\n\\]+$/.test(before);

for (const name of NAMES) {
  test(`${MUTATIONS} single-byte mutations of ${name}`, async () => {
    const bytes = bytesOf(name, FILES);
    // The log had one cosignature when it gave the receipt.
    const trust = name.startsWith("receipt") ? anyWitness : bothWitnesses;
    const shown = canonical(await verifyFile(bytes, trust));
    const next = random(NAMES.indexOf(name) + 1);
    let refused = 0;
    for (let count = 0; count < MUTATIONS; count++) {
      const mutated = bytes.slice();
      const at = next(bytes.length);
      mutated[at] ^= 1 + next(255);
      let verified;
      try {
        verified = await verifyFile(mutated, trust);
      } catch (error) {
        assert.ok(error instanceof VerifyError, `byte ${at}: ${error.stack}`);
        refused++;
        continue;
      }
      const before = new TextDecoder().decode(bytes.subarray(0, at + 1));
      const isForPeople = (FOR_PEOPLE[name] ?? []).includes(memberAt(before));
      const isUncovered = isForPeople || (name.includes("finding") && isInCosignature(before)) || /\s/.test(String.fromCharCode(bytes[at]));
      const where = `byte ${at} (after ${JSON.stringify(before.slice(-30))})`;
      assert.ok(isUncovered, `accepted: ${where}`);
      assert.ok(isForPeople || canonical(verified) === shown, `shows something else: ${where}`);
    }
    assert.ok(refused > MUTATIONS * 0.5, `${refused} of ${MUTATIONS} were refused`);
  });
}

test("any bytes at all are refused, and never cause another error", async () => {
  const next = random(99);
  const readers = [
    verifyFile, v.verifyProofFile, v.verifyPresentationFile, v.verifyCompletenessFile, v.verifyFindingFile, v.verifySampleFile,
    (bytes, trust) => v.verifySession(v.parseSession(bytes), trust), (bytes, trust) => trust.checkpoint(bytes),
    (bytes) => v.Policy.parse(bytes), (bytes) => v.decodeEntry(bytes), (bytes) => v.parseNote(bytes),
    (bytes) => v.parseVkey(new TextDecoder().decode(bytes)), (bytes) => v.parseTilePath(new TextDecoder().decode(bytes)),
    (bytes) => v.parseCheckpointText(new TextDecoder().decode(bytes)),
  ];
  const nested = new TextEncoder().encode("[".repeat(200_000));
  const inputs = [new Uint8Array(0), nested, new TextEncoder().encode('{"format":'.repeat(50_000))];
  for (const name of NAMES) for (let count = 0; count < 12; count++) inputs.push(bytesOf(name, FILES).slice(0, next(400)));
  for (let count = 0; count < 60; count++) inputs.push(Uint8Array.from({ length: next(200) }, () => next(256)));
  for (const bytes of inputs) {
    for (const [place, reader] of readers.entries()) {
      const read = outcome(async () => reader(bytes, anyWitness));
      // An entry has no signature: random bytes may be one.
      if (place !== 9) assert.notEqual(await read, null, `${place}: ${new TextDecoder().decode(bytes.slice(0, 80))}`);
      else await read;
    }
  }
});
