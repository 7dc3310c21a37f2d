// Case by case, this package and the Rust code agree: on what holds and what it shows, and on the class of a refusal.
//
// The verdicts of the Rust code on the first cases are in `verdicts.txt`. With VOUCHLOG_VERDICTS, the example `verdicts` of `vouchlog-auditor`, it is
// asked itself, on other cases too. With VOUCHLOG_PROGRAM the program `vouchlog` is run on the cases as files.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { test } from "node:test";

import { encodeHex } from "../dist/bytes.js";
import { sha256 } from "../dist/sha256.js";
import { makeCase } from "./cases.mjs";
import { askExample, BATCH } from "./example.mjs";
import { comparable, judge } from "./judge.mjs";
import { asAsked, ask, canAsk } from "./program.mjs";
import { utf8 } from "./support.mjs";

const { VOUCHLOG_VERDICTS: VERDICTS, VOUCHLOG_PROGRAM: PROGRAM, VOUCHLOG_WRITE_GOLDEN: WRITES } = process.env;
const LONG = process.env.VOUCHLOG_LONG_TESTS === "1";
const COUNT = Number(process.env.VOUCHLOG_CASES ?? (LONG && VERDICTS ? 100_000 : 3_000));
const RUNS = Number(process.env.VOUCHLOG_CASES ?? (LONG ? 3_000 : 300));
const FIRST = Number(process.env.VOUCHLOG_SEED ?? 0);
const GOLDEN = new URL("verdicts.txt", import.meta.url);

/** A verdict on one line: its class, and a hash of what is shown. */
const line = (verdict) => `${verdict.verdict} ${encodeHex(sha256(utf8(comparable(verdict)))).slice(0, 12)}`;

/**
 * The Rust code also reads what a statement discloses as a record, by a model that is no part of this package, and refuses a bundle for that after everything else
 * held. Such a case does not compare the two.
 */
const isAboutRecords = (theirs) => theirs.startsWith("record ");
/** A case whose verdict is not known: a rule changed after the others were written. */
const isUnknown = (theirs) => theirs === "-";

function report(differing, compared) {
  const shown = differing.slice(0, 8).map((one) => JSON.stringify(one, (_, value) => (typeof value === "bigint" ? Number(value) : value)).slice(0, 2000));
  assert.equal(differing.length, 0, `${differing.length} of ${compared} differ:\n${shown.join("\n")}`);
}

test(`${COUNT} cases against the Rust code${VERDICTS ? " itself" : "'s verdicts"}`, async () => {
  const golden = VERDICTS ? [] : readFileSync(GOLDEN, "utf8").trimEnd().split("\n");
  const first = VERDICTS ? FIRST : 0;
  assert.ok(VERDICTS || golden.length >= COUNT, `verdicts.txt has ${golden.length} verdicts`);
  const [differing, classes] = [[], new Set()];
  let held = 0;
  for (let done = 0; done < COUNT; done += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, COUNT - done) }, (_, at) => first + done + at);
    const cases = await Promise.all(numbers.map(makeCase));
    const theirs = VERDICTS ? askExample(VERDICTS, cases) : [];
    for (const [at, one] of cases.entries()) {
      const ours = await judge(one);
      const expected = VERDICTS ? line(theirs[at]) : golden[done + at];
      if (VERDICTS) golden.push(expected);
      classes.add(`${one.kind} ${ours.verdict}`);
      held += ours.verdict === "holds" ? 1 : 0;
      if (!isAboutRecords(expected) && !isUnknown(expected) && line(ours) !== expected) differing.push({ number: numbers[at], kind: one.kind, ours, theirs: theirs[at] ?? expected });
    }
  }
  report(differing, COUNT);
  assert.ok(held > COUNT / 5 && held < COUNT && classes.size >= 30, `${held} of ${COUNT} hold, in ${classes.size} classes`);
  if (WRITES === "1" && VERDICTS && FIRST === 0) writeFileSync(GOLDEN, `${golden.join("\n")}\n`);
});

if (PROGRAM) {
  test(`${RUNS} runs of the program`, async () => {
    const differing = [];
    let [next, compared] = [FIRST, 0];
    const worker = async () => {
      while (next < FIRST + RUNS) {
        const number = next++;
        const one = await makeCase(number);
        if (!canAsk(one)) continue;
        compared++;
        const ours = await judge(one);
        const theirs = await ask(PROGRAM, one);
        if (comparable(asAsked(one, ours)) !== comparable(theirs)) differing.push({ number, kind: one.kind, ours, theirs });
      }
    };
    await Promise.all(Array.from({ length: 2 * availableParallelism() }, worker));
    report(differing, compared);
    assert.ok(compared > RUNS / 3);
  });
}

test("pure JavaScript and WebCrypto have one verdict", async () => {
  for (let number = 0; number < 170; number++) {
    const one = await makeCase(number);
    assert.equal(comparable(await judge(one, { pure: true })), comparable(await judge(one)), `case ${number}`);
  }
});
