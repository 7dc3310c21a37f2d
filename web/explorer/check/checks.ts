// The checks of a verification as rows: what was checked, with what, and the result. The first failure ends them.

import { CHECKS, type Check, type CheckName, type Facts, type FileKind } from "@vouchlog/verify";
import { h, status, type Tone } from "../src/dom.js";
import { count, grouped, moment } from "../src/words.js";
import type { Source } from "./keys.js";

/** What each check is, as a sentence that is true if it passed, and one that is true if it failed. */
const WORDS: Readonly<Record<CheckName, { readonly passed: string; readonly failed: string }>> = {
  format: { passed: "The file is well-formed", failed: "The file is not well-formed" },
  "log-signature": { passed: "The log signed the checkpoints", failed: "A checkpoint is not signed by the log" },
  witnesses: { passed: "Enough witnesses cosigned the checkpoints", failed: "A checkpoint is not cosigned by enough witnesses" },
  inclusion: { passed: "The entries are in the log", failed: "An entry is not in the log" },
  operator: { passed: "The log names its operator", failed: "The log’s operator is not shown" },
  gateway: { passed: "The operator admitted the gateway, which opened its stream", failed: "The gateway is not shown to be one of this log" },
  signature: { passed: "The gateway signed the statement", failed: "The statement is not signed as it must be" },
  disclosures: { passed: "Every disclosed field belongs to the signed statement", failed: "A disclosed field does not belong to the signed statement" },
  claims: { passed: "The log’s entry agrees with the statement", failed: "The log’s entry contradicts the statement" },
  "key-status": { passed: "The gateway’s key was not revoked when the statement was logged", failed: "The gateway’s key was revoked, or its status is not shown" },
  session: { passed: "The records are of one session, and none occurs twice", failed: "A record does not belong here" },
  draw: { passed: "The signed root itself chose these entries", failed: "These are not the entries that the signed root chooses" },
  stream: { passed: "No statement of the streams is missing", failed: "A stream is not shown to be complete" },
  finding: { passed: "The evidence fits the finding", failed: "The evidence does not show the finding" },
  parts: { passed: "The parts of the file belong together", failed: "The parts of the file do not belong together" },
};

interface Outcome { readonly tone: Tone; readonly word: string; readonly detail: string }

const number = (value: Facts[string] | undefined): string =>
  typeof value === "number" || typeof value === "bigint" ? grouped(value) : String(value);

/** The distinct values of a fact, in order. */
function distinct(checks: readonly Check[], name: string): string[] {
  return [...new Set(checks.flatMap(({ facts }) => (facts[name] === undefined ? [] : [number(facts[name])])))];
}

const list = (items: readonly string[], most = 4): string =>
  items.length <= most ? items.join(", ") : `${items.slice(0, most).join(", ")} and ${count(items.length - most, "other")}`;

/** What a passed check rests on. */
const DETAILS: Readonly<Record<CheckName, (checks: readonly Check[]) => Outcome>> = {
  format: () => ok("Read to its last byte, within all bounds"),
  "log-signature": (checks) => ok(`${count(checks.length, "checkpoint")}, of ${list(distinct(checks, "size"))} entries`),
  witnesses: witnessed,
  inclusion: (checks) => ok(checks.length === 1
    ? `Entry ${list(distinct(checks, "index"))}; ${checks[0]!.facts["hashes"] === undefined ? "its proof leads" : `${count(Number(checks[0]!.facts["hashes"]), "hash", "hashes")} lead`} to the signed root`
    : `${count(checks.length, "entry", "entries")}: ${list(distinct(checks, "index"))}; each leads to a signed root`),
  operator: (checks) => ok(`${list(distinct(checks, "operator"))}, key ${list(distinct(checks, "key"))}`),
  gateway: (checks) => ok(`${list(distinct(checks, "gateway"))}, key ${list(distinct(checks, "key"))}; ${gatewayTrust(checks)}`),
  signature: (checks) => ok(`${count(checks.length, "statement")}, Ed25519, with the key of stream ${list(distinct(checks, "stream"))}`),
  disclosures: (checks) => ok(`${count(sum(checks, "disclosed"), "disclosure")}; each matches one salted digest in a signed statement`),
  claims: () => ok("Kind, digest, issuer and public evidence claims are the same"),
  "key-status": keyStatus,
  session: (checks) => ok(`${count(sum(checks, "records"), "record")}${checks.some(({ facts }) => facts["sealed"] === true) ? " and a seal" : ", no seal"}`),
  draw: (checks) => ok(`${count(sum(checks, "entries"), "entry", "entries")} of ${list(distinct(checks, "size"))}`),
  stream: (checks) => ok(`${count(checks.length, "stream")}, each under the newest head that its gateway signed`),
  finding: ([check]) => check!.facts["verdict"] === "proven"
    ? ok("Proven: signatures and proofs show it by themselves")
    : { tone: "warn", word: "Fits, proves nothing", detail: String(check!.facts["statement"]) },
  parts: () => ok(""),
};

const ok = (detail: string): Outcome => ({ tone: "ok", word: "Verified", detail });
const sum = (checks: readonly Check[], name: string): number => checks.reduce((total, { facts }) => total + Number(facts[name] ?? 0), 0);

function gatewayTrust(checks: readonly Check[]): string {
  const trust = distinct(checks, "trust");
  if (trust.includes("operator")) return "that the key is the gateway’s rests on the operator’s word";
  return trust.includes("rotated-from-pinned") ? "a key that you entered rotated to it" : "the key is one that you entered";
}

function witnessed(checks: readonly Check[]): Outcome {
  if (checks.some(({ facts }) => facts["quorumNone"] === true)) {
    return { tone: "mute", word: "Not asked for", detail: "The policy asks for no witness (quorum none)" };
  }
  const names = new Set(checks.flatMap(({ facts }) => (Array.isArray(facts["cosignedBy"]) ? facts["cosignedBy"] as readonly string[] : [])));
  return ok(`${list([...names])}; the policy is satisfied for ${count(checks.length, "checkpoint")}`);
}

/** That a key was not revoked can be shown only up to a point, and on the sender's word: that is no proof. */
function keyStatus(checks: readonly Check[]): Outcome {
  const revoked = checks.find(({ facts }) => facts["effective"] !== undefined);
  if (revoked !== undefined) {
    return { tone: "warn", word: "Revoked later", detail: `Revoked by entry ${number(revoked.facts["index"])}, not to be trusted from ${moment(Number(revoked.facts["effective"]))} on; the statements were logged before` };
  }
  const known = distinct(checks, "known");
  if (known.includes("nothing")) return { tone: "mute", word: "Not checked", detail: "The file contains nothing about a revocation" };
  const asOf = checks.map(({ facts }) => facts["asOf"]).filter((size) => typeof size === "bigint");
  const least = asOf.reduce((one, other) => (other < one ? other : one));
  return { tone: "warn", word: "By the sender’s word", detail: `No revocation up to ${count(least, "entry", "entries")} of the log, according to the sender of the file` };
}

function row(words: string, { tone, word, detail }: Outcome, state: "" | "failed" | "skipped"): HTMLElement {
  return h("li", { class: state === "" ? null : state }, h("div", {}, h("b", {}, words), detail === "" ? null : h("p", {}, detail)), status(tone, word));
}

/** SPEC: what rests on keys that the reader did not give is never shown as verified. */
const by = (source: Source, outcome: Outcome): Outcome =>
  source === "file" && outcome.tone === "ok" ? { ...outcome, tone: "warn", word: "Holds" } : outcome;

/** The panel of checks, and how many passed. */
export function checksPanel(kind: FileKind | null, checks: readonly Check[], { hasPolicy, source }: { hasPolicy: boolean; source: Source }): HTMLElement {
  const plan = kind === null ? (["format"] as const) : CHECKS[kind];
  const failed = checks.find(({ refusal }) => refusal !== null);
  const rows: HTMLElement[] = [];
  let passed = 0;
  for (const name of plan) {
    const done = checks.filter((check) => check.name === name && check.refusal === null);
    if (failed?.name === name) continue;
    if (done.length > 0) {
      const outcome = DETAILS[name](done);
      passed += outcome.tone === "ok" ? 1 : 0;
      const shown = by(source, outcome);
      rows.push(row(WORDS[name].passed, failed === undefined ? shown : { ...shown, detail: `As far as the checks went: ${shown.detail}` }, ""));
    } else if (name === "witnesses" && !hasPolicy && failed === undefined) {
      rows.push(row(WORDS[name].passed, { tone: "mute", word: "Not checked", detail: "You entered no policy: a log that shows different histories to different readers would go unnoticed" }, "skipped"));
    } else {
      rows.push(row(WORDS[name].passed, { tone: "mute", word: "Not checked", detail: failed === undefined ? "Nothing in the file needs it" : "The checks ended at the first failure" }, "skipped"));
    }
  }
  if (failed !== undefined) {
    const at = rows.findIndex((one) => one.classList.contains("skipped"));
    const bad = row(WORDS[failed.name].failed, { tone: "bad", word: "Failed", detail: `${sentence(failed.refusal!.message)} (${failed.about})` }, "failed");
    rows.splice(at < 0 ? rows.length : at, 0, bad);
  }
  const summary = failed === undefined ? `${passed} of ${rows.length} ${source === "file" ? "hold by the keys in this file" : "verified"}` : "failed";
  return h("div", { class: "panel" }, h("header", {}, h("h3", {}, "Checks"), h("span", { class: "r" }, summary)), h("ol", { class: "checks run" }, rows));
}

/** A refusal as a sentence. */
export function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1);
}
