// Single-byte mutations of each kind of file that the real program wrote: the untouched file holds; a mutated one is refused, or
// shows exactly what the untouched file shows, and then only in places that no signature covers by design.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as v from "../dist/index.js";
import { askExample, BATCH } from "./example.mjs";
import { comparable, judge } from "./judge.mjs";
import { ANY_WITNESS, caseOf, LOG_VKEY, MUTATED, mutations } from "./mutate.mjs";
import { ask } from "./program.mjs";
import { canonical, outcome, random } from "./support.mjs";

const { Trust, verifyFile, VerifyError } = v;

// VOUCHLOG_LONG_TESTS=1: the long form. With VOUCHLOG_VERDICTS or VOUCHLOG_PROGRAM the Rust code judges each mutation too.
const LONG = process.env.VOUCHLOG_LONG_TESTS === "1";
const MUTATIONS = Number(process.env.VOUCHLOG_MUTATIONS ?? (LONG ? 10_000 : 300));
const { VOUCHLOG_VERDICTS: VERDICTS, VOUCHLOG_PROGRAM: PROGRAM } = process.env;
const trustWith = (policy) => new Trust({ logVkey: LOG_VKEY, policy });
const anyWitness = trustWith(ANY_WITNESS);

for (const file of MUTATED) {
  test(`${MUTATIONS} single-byte mutations of ${file.name}`, async () => {
    const trust = trustWith(file.policy);
    const shown = canonical(await verifyFile(file.bytes, trust));
    let refused = 0;
    for (const mutation of mutations(file, MUTATIONS)) {
      let verified;
      try {
        verified = await verifyFile(mutation.mutated, trust);
      } catch (error) {
        assert.ok(error instanceof VerifyError, `byte ${mutation.at}: ${error.stack}`);
        refused++;
        continue;
      }
      const { isForPeople, isUncovered, where } = mutation.place;
      assert.ok(isUncovered, `accepted: ${where}`);
      assert.ok(isForPeople || canonical(verified) === shown, `shows something else: ${where}`);
    }
    assert.ok(refused > MUTATIONS * 0.5, `${refused} of ${MUTATIONS} were refused`);
    console.log(`# ${file.name}: ${refused} of ${MUTATIONS} refused, the rest in places that no signature covers`);
  });
}

// The example knows every kind but samples, which the program verifies as files.
for (const file of MUTATED) {
  const asks = file.kind === "sample" ? PROGRAM : VERDICTS;
  if (asks === undefined) continue;
  test(`the Rust code agrees on ${MUTATIONS} mutations of ${file.name}`, async () => {
    const differing = [];
    let [batch, compared] = [[file.bytes], 0];
    const compare = async () => {
      const cases = batch.map((bytes) => caseOf(file, bytes));
      const theirs = file.kind === "sample" ? await Promise.all(cases.map((one) => ask(PROGRAM, one))) : askExample(VERDICTS, cases);
      for (const [at, one] of cases.entries()) {
        const ours = file.kind === "sample" ? await sampleVerdict(batch[at], trustWith(file.policy)) : await judge(one);
        // What a statement discloses the Rust code also reads as a record, by a model that is no part of this package.
        const isAboutRecords = theirs[at].verdict === "record";
        if (!isAboutRecords && comparable(ours) !== comparable(theirs[at])) differing.push([ours, theirs[at]]);
        compared++;
      }
      batch = [];
    };
    for (const { mutated } of mutations(file, MUTATIONS)) {
      batch.push(mutated);
      if (batch.length >= BATCH) await compare();
    }
    await compare();
    assert.deepEqual(differing.slice(0, 3), []);
    assert.equal(compared, MUTATIONS + 1);
  });
}

/** The package's verdict on a sample, as the program tells it: whether it holds. */
async function sampleVerdict(bytes, trust) {
  const refusal = await outcome(() => verifyFile(bytes, trust));
  return refusal === null ? { verdict: "holds", shows: null } : { verdict: "refused" };
}

test("any bytes at all are refused, and never cause another error", async () => {
  const next = random(99);
  const readers = [
    verifyFile, v.verifyProofFile, v.verifyPresentationFile, v.verifyCompletenessFile, v.verifyFindingFile, v.verifySampleFile,
    v.verifySessionFile, (bytes, trust) => trust.checkpoint(bytes),
    (bytes) => v.Policy.parse(bytes), (bytes) => v.decodeEntry(bytes), (bytes) => v.parseNote(bytes),
    (bytes) => v.parseVkey(new TextDecoder().decode(bytes)), (bytes) => v.parseTilePath(new TextDecoder().decode(bytes)),
    (bytes) => v.parseCheckpointText(new TextDecoder().decode(bytes)),
  ];
  const nested = new TextEncoder().encode("[".repeat(200_000));
  const inputs = [new Uint8Array(0), nested, new TextEncoder().encode('{"format":'.repeat(50_000))];
  for (const { bytes } of MUTATED) for (let count = 0; count < 12; count++) inputs.push(bytes.slice(0, next(400)));
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
