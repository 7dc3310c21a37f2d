// Single-byte mutations of each kind of file that the real program wrote, and where one may be accepted: only in places that no
// signature covers by design.

import { encodeBase64 } from "../dist/bytes.js";
import { bytesOf, FILES, random, textOf } from "./support.mjs";

export const LOG_VKEY = textOf("log.vkey", FILES).trim();
export const ANY_WITNESS = textOf("policy.txt", FILES);
// A line whose key name or id was changed is a stranger's, and ignored. With this policy the cosignature is missing then.
export const BOTH_WITNESSES = ANY_WITNESS.replace(" any a b", " all a b");

/** Each kind of file: its name, its kind, and the policy that it satisfies. The log had one cosignature when it gave the receipt. */
export const MUTATED = [
  ["entry-0.tlog-proof", "proof"], ["receipt.tlog-proof", "proof", ANY_WITNESS], ["presentation.json", "presentation"], ["session.json", "session"],
  ["streams.completeness.json", "completeness"], ["sample.json", "sample"], ["altered.finding.json", "evidence"], ["checkpoint", "checkpoint"],
].map(([name, kind, policy = BOTH_WITNESSES]) => ({ name, kind, policy, bytes: bytesOf(name, FILES) }));

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

/** So many mutations of a file, always the same ones: the byte, the mutated file, and where a verifier may accept it. */
export function* mutations({ name, bytes }, count) {
  const next = random(MUTATED.findIndex((file) => file.name === name) + 1);
  for (let number = 0; number < count; number++) {
    const mutated = bytes.slice();
    const at = next(bytes.length);
    mutated[at] ^= 1 + next(255);
    yield {
      at, mutated,
      /** Looked at only for what was accepted: it takes long. */
      get place() {
        const before = new TextDecoder().decode(bytes.subarray(0, at + 1));
        const isForPeople = (FOR_PEOPLE[name] ?? []).includes(memberAt(before));
        const isUncovered = isForPeople || (name.includes("finding") && isInCosignature(before)) || /\s/.test(String.fromCharCode(bytes[at]));
        return { isForPeople, isUncovered, where: `byte ${at} (after ${JSON.stringify(before.slice(-30))})` };
      },
    };
  }
}

/** A mutated file as a case for the Rust code. */
export const caseOf = ({ kind, policy }, mutated) => ({ kind, vkey: LOG_VKEY, policy, gateways: [], bytes: encodeBase64(mutated) });
