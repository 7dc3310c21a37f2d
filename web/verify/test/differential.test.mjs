// Case by case, this package and the Rust code agree on what holds, and on what it shows.
//
// The Rust program's verdicts on the first cases are in `verdicts.txt`. With VOUCHLOG_PROGRAM it is asked itself, on other cases too.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { test } from "node:test";

import { encodeHex } from "../dist/bytes.js";
import { sha256 } from "../dist/sha256.js";
import { makeCase } from "./cases.mjs";
import { comparable, judge } from "./judge.mjs";
import { asAsked, ask, canAsk } from "./program.mjs";
import { utf8 } from "./support.mjs";

const { VOUCHLOG_PROGRAM: PROGRAM, VOUCHLOG_WRITE_GOLDEN: WRITES } = process.env;
const IN_GOLDEN = 3_000;
const LONG = process.env.VOUCHLOG_LONG_TESTS === "1" && PROGRAM ? 100_000 : PROGRAM ? 1_500 : IN_GOLDEN;
const COUNT = Number(process.env.VOUCHLOG_CASES ?? LONG);
const FIRST = PROGRAM ? Number(process.env.VOUCHLOG_SEED ?? 0) : 0;
const GOLDEN = new URL("verdicts.txt", import.meta.url);

/** A verdict on one line: whether it holds, and a hash of what is shown. */
const line = (verdict) => (verdict.verdict === "holds" ? `holds ${encodeHex(sha256(utf8(comparable(verdict)))).slice(0, 12)}` : verdict.verdict);

/** Our verdict on a case and the program's, by its number. */
async function both(number, golden) {
  const one = await makeCase(number);
  if (!canAsk(one)) return null;
  const ours = await judge(one);
  if (!PROGRAM) return { number, kind: one.kind, ours, agrees: line(asAsked(one, ours)) === golden[number] };
  const theirs = await ask(PROGRAM, one);
  golden[number] = line(theirs);
  return { number, kind: one.kind, ours, theirs, agrees: comparable(asAsked(one, ours)) === comparable(theirs) };
}

test(`${COUNT} cases against the Rust program${PROGRAM ? "" : "'s verdicts"}`, async () => {
  const golden = PROGRAM ? [] : readFileSync(GOLDEN, "utf8").trimEnd().split("\n");
  assert.ok(PROGRAM || golden.length >= COUNT, `verdicts.txt has ${golden.length} verdicts`);
  const differing = [];
  let [next, compared, held] = [FIRST, 0, 0];
  const worker = async () => {
    while (next < FIRST + COUNT) {
      const verdict = await both(next++, golden);
      if (verdict === null) continue;
      compared++;
      held += verdict.ours.verdict === "holds" ? 1 : 0;
      if (!verdict.agrees) differing.push(verdict);
    }
  };
  await Promise.all(Array.from({ length: PROGRAM ? 2 * availableParallelism() : 1 }, worker));
  const shown = differing.slice(0, 8).map((one) => JSON.stringify(one, (_, value) => (typeof value === "bigint" ? Number(value) : value)).slice(0, 2000));
  assert.equal(differing.length, 0, `${differing.length} of ${compared} differ:\n${shown.join("\n")}`);
  assert.ok(compared > COUNT / 2 && held > compared / 4 && held < compared, `${held} of ${compared} hold`);
  if (WRITES === "1" && PROGRAM && FIRST === 0) {
    writeFileSync(GOLDEN, `${Array.from({ length: COUNT }, (_, at) => golden[at] ?? "-").join("\n")}\n`);
  }
});

test("pure JavaScript and WebCrypto have one verdict", async () => {
  for (let number = 0; number < 170; number++) {
    const one = await makeCase(number);
    assert.equal(comparable(await judge(one, { pure: true })), comparable(await judge(one)), `case ${number}`);
  }
});
