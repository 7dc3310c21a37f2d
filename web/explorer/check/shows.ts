// What a verified file shows and what it does not, in words that can be quoted.

import {
  decodeEntry, encodeHex, type Completeness, type Entry, type FileKind, type PolicyCosignature, type Trust, type TrustedCheckpoint, type Verdict,
  type VerifiedEntry, type VerifiedFile, type VerifiedPresentation, type VerifiedSample, type VerifiedSession,
} from "@vouchlog/verify";
import { cell, digest, fact, h, row, status, table, type Child } from "../src/dom.js";
import { count, grouped, moment } from "../src/words.js";
import { fieldsTable } from "./record.js";

/** What a file is, in words. */
export const KINDS: Readonly<Record<FileKind, string>> = {
  checkpoint: "Checkpoint of a log", proof: "Proof that one entry is in a log", presentation: "Presentation of one record", session: "Session bundle",
  completeness: "Completeness file", evidence: "Evidence of a finding", sample: "Sample of a log’s entries",
};

/** What stands on the page for a file that holds. */
export interface Shown { readonly says: Child; readonly shows: readonly string[]; readonly not: readonly string[] }

/** Records, streams and entries that are drawn of one file. All of them were verified. */
const MAX_DRAWN = 200;

export function shownBy(verified: VerifiedFile, trust: Trust): Shown {
  switch (verified.file) {
    case "checkpoint": return checkpoint(verified.shows, trust);
    case "proof": return proof(verified.shows, trust);
    case "presentation": return presentation(verified.shows, trust);
    case "session": return session(verified.shows, trust);
    case "completeness": return completeness(verified.shows, trust);
    case "evidence": return evidence(verified.shows);
    case "sample": return sample(verified.shows, trust);
  }
}

const NO_POLICY = "That the log shows everyone the same history. You entered no policy, so no witness was asked for.";

function witnesses(cosignatures: readonly PolicyCosignature[], { policy }: Trust, what: string): string[] {
  if (policy === null || policy.isQuorumNone) return [];
  const names = cosignatures.map(({ name }) => name).join(", ");
  return [`${count(cosignatures.length, "witness", "witnesses")} of the policy cosigned ${what}: ${names}. The policy is satisfied.`];
}

const withoutWitnesses = ({ policy }: Trust): string[] => {
  if (policy === null) return [NO_POLICY];
  return policy.isQuorumNone ? ["That the log shows everyone the same history. The policy asks for no witness."] : [];
};

const seconds = (time: bigint): string => moment(Number(time) * 1000);

/** When an entry was in the log at the latest, by witnesses; or what its own time is worth. */
const inLogBy = (until: bigint | null, loggedAt: number): string =>
  until === null ? `By the log’s own clock it was logged at ${moment(loggedAt)}.` : `It was in the log by ${seconds(until)}, when a witness had seen it. By the log’s own clock it was logged at ${moment(loggedAt)}.`;

function panel(title: string, sub: string, ...body: Child[]): HTMLElement {
  return h("div", { class: "panel" }, h("header", {}, h("h3", {}, title), sub === "" ? null : h("p", {}, sub)), body);
}

const facts = (...children: Child[]): HTMLElement => h("div", { class: "pad" }, h("dl", { class: "kv" }, children));

function checkpoint({ head, origin, extensions, cosignatures }: TrustedCheckpoint, trust: Trust): Shown {
  const times = cosignatures.map(({ name, timestamp }) => h("li", {}, `${name}, at ${timestamp === 0n ? "no stated time" : seconds(timestamp)}`));
  return {
    says: panel("What it states", "", facts(fact("Log", origin), fact("Entries", grouped(head.size)), fact("Root hash", digest(encodeHex(head.root), "the root hash")),
      extensions.length === 0 ? null : fact("Further lines", extensions.join("; ")), times.length === 0 ? null : fact("Cosigned by", h("ul", { class: "plain" }, times)))),
    shows: [`The log ${origin} signed a history of ${count(head.size, "entry", "entries")} with this root.`, ...witnesses(cosignatures, trust, "it")],
    not: [
      "What the entries are, or that they are true.", "That it is the newest checkpoint.",
      "That it extends an earlier one. Compare it with a checkpoint that you kept, or audit the log.", ...withoutWitnesses(trust),
    ],
  };
}

/** What an entry is, as facts. */
function entryFacts(entry: Entry | null): Child[] {
  if (entry === null) return [fact("Entry", "not one of Vouchlog’s")];
  const common = [fact("Kind", h("code", {}, entry.kind)), fact("Logged", `${moment(entry.loggedAt)}, by the log’s clock`)];
  if (!entry.isStatement) return common;
  return [...common, fact("Stream", `${grouped(entry.stream)}, number ${grouped(entry.sequence)}`), fact("Digest", digest(entry.digest, "the statement’s digest"))];
}

function proof({ index, size, entry, origin, cosignatures, witnessedUntil }: VerifiedEntry, trust: Trust): Shown {
  const isStatement = entry?.isStatement === true;
  return {
    says: panel("What it states", "", facts(fact("Log", origin), fact("Index", grouped(index)), fact("Proven in a tree of", count(size, "entry", "entries")), entryFacts(entry))),
    shows: [
      `Entry ${grouped(index)} of the log ${origin} is exactly these bytes, in its first ${count(size, "entry", "entries")}.`,
      ...(entry === null ? [] : [inLogBy(witnessedUntil, entry.loggedAt)]), ...witnesses(cosignatures, trust, "the log in this state"),
    ],
    not: [
      ...(isStatement ? ["What is in the record behind the digest. Only its digest is in the log.", "Who sent the statement: ask for a presentation."] : ["That the signature inside the entry holds. A presentation or an audit checks it."]),
      "That there are no other entries: a completeness file shows it for a stream.", ...withoutWitnesses(trust),
    ],
  };
}

function presentation(shown: VerifiedPresentation, trust: Trust): Shown {
  const { statement, gateway, index } = shown;
  const withheld = statement.undisclosed === 0 ? "nothing else is signed" : "the rest is withheld";
  return {
    says: panel("What it states", `Record ${statement.claims.record}, ${statement.claims.kind}; ${withheld}`, fieldsTable(statement.disclosed, "Disclosed fields")),
    shows: [
      `The gateway ${gateway.name} recorded these values and signed them.`,
      `The statement is entry ${grouped(index)} of the log ${shown.origin}, and has not changed since. ${inLogBy(shown.witnessedUntil, shown.entry.loggedAt)}`,
      ...witnesses(shown.cosignatures, trust, "the log in this state"),
    ],
    not: [
      "That the gateway recorded the truth. It signed the record and can be held to it.",
      ...(statement.undisclosed === 0 ? [] : ["What the withheld fields say. Their number is not shown either."]),
      ...identityLimits([shown], trust), "Whether other records exist, or other actions took place outside the gateway.",
      "Whether the record keeps the rules, or bears out the evidence that its gateway claims: use vouchlog verify.", ...withoutWitnesses(trust),
    ],
  };
}

/** What rests on the word of the operator or of the sender. */
function identityLimits(all: readonly VerifiedPresentation[], trust: Trust): string[] {
  const limits = [];
  if (trust.gateways.length === 0) limits.push("That the key is the gateway’s own. Its name is the word of the log’s operator, unless you enter the gateway’s key.");
  if (all.some(({ status: { known } }) => known !== "revoked-later")) limits.push("That the gateway’s key has not been revoked. A file cannot prove it; an audit of the log can.");
  return limits;
}

function session({ session: name, known, records, seal, erasures, notes }: VerifiedSession, trust: Trust): Shown {
  const drawn = records.slice(0, MAX_DRAWN).map((one, place) => {
    const { claims, disclosed } = one.statement;
    return h("details", { class: "rec", ...(records.length <= 3 ? { open: true } : {}) },
      h("summary", {}, h("h4", {}, `Record ${place + 1}: ${claims.kind}`), h("span", { class: "id" }, `${claims.record}, entry ${grouped(one.index)}, logged ${moment(one.entry.loggedAt)}`)),
      fieldsTable(disclosed, `Disclosed fields of record ${place + 1}`));
  });
  const more = records.length > MAX_DRAWN ? h("p", { class: "s soft" }, `${count(records.length - MAX_DRAWN, "more record is", "more records are")} verified and not drawn.`) : null;
  const gateways = [...new Set(records.map(({ gateway }) => gateway.name))];
  const parts = `${count(records.length, "record")}${seal === null ? "" : ", a seal"}${erasures.length === 0 ? "" : `, ${count(erasures.length, "statement of an erasure", "statements of erasures")}`}`;
  const [first] = records;
  return {
    says: [panel("What it states", `Session ${name}, by its sender’s name for it`, facts(fact("In the file", parts), fact("Known to the sender", count(known, "record")), fact("Gateways", gateways.length === 0 ? "none" : gateways.join(", ")))), drawn, more],
    shows: records.length === 0 ? ["Nothing about the session: the file has no record of it."] : [
      `${gateways.length === 1 ? `The gateway ${gateways[0]}` : `The gateways ${gateways.join(", ")}`} recorded these values and signed them, each record by itself.`,
      `Each statement is an entry of the log ${first!.origin}, and has not changed since.`, ...witnesses(first!.cosignatures, trust, "the log in this state"),
    ],
    not: [
      "That the gateways recorded the truth. They signed the records and can be held to them.", "What the withheld fields say.",
      ...identityLimits(records, trust), ...notes.filter((note) => !note.startsWith("No witness policy")),
      "Whether other actions took place outside the gateways.", ...withoutWitnesses(trust),
    ],
  };
}

function completeness({ size, root, cosignedBy, streams }: Completeness, trust: Trust): Shown {
  const rows = streams.slice(0, MAX_DRAWN).map((stream) => {
    const end = stream.signed > stream.first ? `${grouped(stream.first)} to ${grouped(stream.signed - 1n)}` : "none";
    const state = stream.declaredLosses.length > 0 ? status("warn", `${count(stream.declaredLosses.length, "declared loss", "declared losses")}`)
      : stream.pending > 0n ? status("warn", `${grouped(stream.pending)} not covered yet`) : status("ok", "Complete");
    return row([stream.gateway.name, h("span", { class: "sub" }, `stream ${grouped(stream.stream)}${stream.isHouse ? ", the log’s house stream" : ""}${stream.closed ? ", closed" : ""}`)],
      cell("State", false, state), cell("Statements", true, end), cell("Newest head", true, stream.newestHead === null ? "none" : seconds(stream.newestHead)));
  });
  const losses = streams.reduce((total, { declaredLosses }) => total + declaredLosses.length, 0);
  const isHouse = streams.some((stream) => stream.isHouse);
  return {
    says: panel("What it states", `${count(streams.length, "stream")} of a log of ${count(size, "entry", "entries")}`,
      facts(fact("Root hash", digest(encodeHex(root), "the root hash")), fact("Cosigned by", cosignedBy.length === 0 ? "no witness of a policy" : cosignedBy.join(", "))),
      streams.length === 0 ? null : table("Streams", ["Gateway", "State", "Statements", "Newest head"], [2, 3], rows),
      streams.length > MAX_DRAWN ? h("p", { class: "pad s soft" }, `${grouped(streams.length - MAX_DRAWN)} more streams are verified and not drawn.`) : null),
    shows: streams.length === 0 ? ["Nothing: the file covers no stream."] : [
      "Each gateway signed how many statements it sent. Every one of these numbers is in the file, in order, none missing and none inserted.",
      ...(losses > 0 ? [`The gateways themselves declare ${count(losses, "loss", "losses")} of records.`] : []),
    ],
    not: [
      "That the gateways recorded every action. It shows that no statement that they signed for was removed.",
      "What the statements say. Only their digests are in the log.", "Streams that are not in the file, and statements after the newest head.",
      "Whether a gateway’s key was revoked: an audit of the log shows it.",
      ...(trust.gateways.length === 0 ? ["That the keys are the gateways’ own. Their names are the word of the log’s operator, unless you enter the gateways’ keys."] : []),
      ...(isHouse ? ["Who sent the statements of the house stream. The log signs it itself."] : []), ...withoutWitnesses(trust),
    ],
  };
}

function evidence(verdict: Verdict): Shown {
  const isProven = verdict.verdict === "proven";
  const says = panel("What it states", "", facts(fact("Finding", h("code", {}, verdict.kind)), fact("Verdict", isProven ? status("bad", "Proven: misconduct of the log") : status("warn", "Observed, not provable")),
    fact("Why", isProven ? verdict.statement : verdict.reason), isProven ? fact("Witnesses", verdict.cosigned ? "the checkpoints in it satisfy your policy, or you entered none" : "the checkpoints in it do not satisfy your policy") : null));
  return isProven
    ? { says, shows: [`${verdict.statement.charAt(0).toUpperCase()}${verdict.statement.slice(1)}. Signatures and proofs in the file show it by themselves.`], not: ["Who did it, or why: only that the log’s key signed it.", "That nothing else is wrong with the log."] }
    : { says, shows: ["Nothing in the file contradicts the finding."], not: ["That the finding is true. It rests on the word of the auditor who wrote the file.", "That nothing else is wrong with the log."] };
}

function sample({ size, root, entries }: VerifiedSample, trust: Trust): Shown {
  const kind = (bytes: Uint8Array): string => {
    try {
      return decodeEntry(bytes).kind;
    } catch {
      return "not one of Vouchlog’s";
    }
  };
  const rows = entries.slice(0, MAX_DRAWN).map(({ index, entry }) => row(grouped(index), cell("Kind", false, h("code", {}, kind(entry)))));
  return {
    says: panel("What it states", `${count(entries.length, "entry", "entries")} of ${grouped(size)}`, facts(fact("Root hash", digest(encodeHex(root), "the root hash"))),
      entries.length === 0 ? null : table("Entries of the sample", ["Index", "Kind"], [], rows),
      entries.length > MAX_DRAWN ? h("p", { class: "pad s soft" }, `${grouped(entries.length - MAX_DRAWN)} more entries are verified and not drawn.`) : null),
    shows: entries.length === 0 ? ["Nothing: the sample has no entry."] : [
      "The signed root itself chose these entries, so the sender did not.", "Each of them is in the log, at its place.",
    ],
    not: ["Anything about entries that were not drawn.", "That the size of the sample was chosen before the root was known.", "What the records behind the digests say.", ...withoutWitnesses(trust)],
  };
}
