// One entry: what it holds, that it is in the log, and who vouches for that.

import { encodeHex, decodeEntry, VerifyError, verifyProofFile, type Entry, type ProvenEntry, type StatementEntry } from "@vouchlog/verify";
import { alarm, at, digest, fact, field, h, icon, note, put, status, type Child } from "./dom.js";
import { proofFile, saveButton } from "./files.js";
import { tree, walk } from "./inclusion.js";
import { find, parseQuery, SEARCHED_BUNDLES } from "./lookup.js";
import { open, type Opened } from "./page.js";
import { lineOf, type Line } from "./witnesses.js";
import { count, evidenceNames, grouped, moment } from "./words.js";

async function main(): Promise<void> {
  const asked = new URLSearchParams(location.search).get("q")?.trim() ?? "";
  field("q").value = asked;
  const opened = await open();
  if (opened === null || asked === "") return;
  const query = parseQuery(asked);
  if (query === null) return say(`"${asked.slice(0, 100)}" is neither an index, nor a digest of 64 hexadecimal digits, nor a stream and a sequence number.`);
  try {
    const found = await find(opened.root, opened.prover, query, (searched) => say(`Searched ${count(searched, "entry", "entries")}…`));
    if (found.index === null) return notFound(opened, found.searched);
    say("");
    await show(opened, await opened.prover.entry(found.index));
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    refused(asked, error);
  }
}

function say(words: string): void {
  put(at("found"), words);
}

function notFound({ signed }: Opened, searched: bigint): void {
  const isAll = searched >= signed.head.size;
  say(isAll ? `None of the ${count(searched, "entry", "entries")} that the log serves is it.`
    : `Not found in the newest ${count(searched, "entry", "entries")} (${SEARCHED_BUNDLES} bundles). Search for its index, or ask the operator for a receipt.`);
}

function refused(asked: string, error: VerifyError): void {
  const isAbsent = error.reason === "unreadable" || error.reason === "no-entry";
  const text = isAbsent ? "Nothing was checked. A log may have pruned old entries; the hashes of its tree remain." : "The log serves something else than it signed. Keep what it sent, and audit the log.";
  const content: Child = [h("p", { class: "sec-t" }, `${error.message}. ${text} `, h("span", { class: "code" }, error.reason))];
  put(at("entry"), isAbsent ? note("warn", h("b", {}, `Entry ${asked} could not be read.`), content) : alarm(`Entry ${asked} does not verify`, content));
}

async function show(opened: Opened, entry: ProvenEntry): Promise<void> {
  const { known, signed } = opened;
  const decoded = tryDecode(entry.bytes);
  const name = `Entry ${grouped(entry.index)}`;
  document.title = `${name} · ${known.trust.origin}`;
  put(at("title"), name);
  put(at("crumb"), name);
  put(at("lede"), decoded === null ? "Bytes that are no entry of Vouchlog." : decoded.isStatement
    ? "A statement of a gateway. The entry holds a digest of its record and no content." : "An entry by which the log keeps its own books.");
  put(at("entry-meta"), h("span", {}, known.affirm("Included"), " proof recomputed in this page"),
    decoded === null ? null : h("span", {}, `Logged ${moment(decoded.loggedAt)}, by the log's clock`));
  put(at("acts"), neighbour(entry.index - 1n, signed.head.size), neighbour(entry.index + 1n, signed.head.size), await save(opened, entry));
  const lines = await Promise.all((known.trust.policy?.witnesses ?? []).map(async (witness) => ({ witness, line: await lineOf(witness, signed, known.trust) })));
  put(at("entry"), h("div", { class: "grid g21" },
    h("div", { class: "stack" }, decodedPanel(entry, decoded), decoded?.isStatement ? claims(decoded) : null),
    h("div", { class: "stack" }, await times(opened, entry, decoded, lines.map(({ line }) => line)), cosignaturesPanel(opened, lines))));
  put(at("proof"), h("section", { "aria-labelledby": "h-p", class: "sec-t" },
    h("div", { class: "sec-h" }, h("h2", { id: "h-p" }, "Inclusion proof"), h("p", {}, `${count(entry.path.length, "hash", "hashes")} ${entry.path.length === 1 ? "leads" : "lead"} from the leaf to the signed root. This page recomputed each step.`)),
    h("div", { class: "grid g21" },
      h("div", { class: "panel" }, h("header", {}, h("h3", {}, "Step by step, from the leaf up")), walk(entry, signed.head, known)),
      h("div", { class: "stack" }, h("div", { class: "panel pad" }, tree(entry, signed.head.size)),
        h("div", { class: "panel pad s soft" }, h("p", {}, h("span", { class: "b" }, "How to read it."),
          " Each step hashes two neighbours: SHA-256 of the byte 0x01, the left hash and the right hash. If any byte of the entry were different, the last hash would not be the root that the log signed."))))));
}

function tryDecode(bytes: Uint8Array): Entry | null {
  try {
    return decodeEntry(bytes);
  } catch (error) {
    if (error instanceof VerifyError) return null;
    throw error;
  }
}

function neighbour(index: bigint, size: bigint): Child {
  if (index < 0n || index >= size) return null;
  return h("a", { class: "btn", href: `entry.html?q=${index}` }, `Entry ${grouped(index)}`);
}

/** A proof file, offered only after the verifier has accepted it. */
async function save({ known, signed }: Opened, entry: ProvenEntry): Promise<Child> {
  const file = proofFile(entry, signed.note.note);
  try {
    await verifyProofFile(file, known.trust);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return null;
  }
  return saveButton(".tlog-proof", `entry-${entry.index}.tlog-proof`, file);
}

function decodedPanel({ bytes, leaf }: ProvenEntry, entry: Entry | null): HTMLElement {
  const kind = bytes[0] === undefined ? "no byte" : `kind 0x${bytes[0].toString(16).padStart(2, "0")}`;
  const facts: Child = entry === null ? fact("Bytes", h("pre", { class: "raw" }, encodeHex(bytes.subarray(0, 1024)), bytes.length > 1024 ? " …" : ""))
    : entry.isStatement ? statementFacts(entry) : noteFacts(entry);
  return h("div", { class: "panel" }, h("header", {}, h("h2", {}, "Decoded"), h("span", { class: "r code" }, `${grouped(bytes.length)} bytes${entry === null ? "" : `, ${kind}`}`)),
    h("div", { class: "pad" }, h("dl", { class: "kv" }, facts, fact("Leaf hash", digest(encodeHex(leaf), "the leaf hash")))));
}

function statementFacts(entry: StatementEntry): Child {
  return [
    fact("Kind", entry.kind),
    fact("Stream, sequence", "stream ", h("a", { href: `entry.html?q=${entry.stream}` }, grouped(entry.stream)), `, statement ${grouped(entry.sequence)}`),
    fact("Digest", digest(entry.digest, "the digest")),
    fact("Logged at", `${moment(entry.loggedAt)}, by the log's clock`),
    fact("Evidence claimed", h("code", {}, `0x${entry.evidence.toString(16).padStart(8, "0")}`)),
  ];
}

function noteFacts(entry: Exclude<Entry, StatementEntry>): Child {
  return [
    fact("Kind", entry.kind),
    "stream" in entry ? fact("Stream", h("a", { href: `entry.html?q=${entry.stream}` }, grouped(entry.stream))) : null,
    fact("Logged at", `${moment(entry.loggedAt)}, by the log's clock`),
    fact("Note", h("pre", { class: "raw", tabindex: "0", "aria-label": "The signed note" }, entry.note),
      h("p", { class: "s soft" }, "Its signatures are checked by an ", h("a", { href: "audit.html" }, "audit"), ", which knows whose they must be.")),
  ];
}

function claims({ evidence }: StatementEntry): HTMLElement {
  const names = evidenceNames(evidence);
  return h("div", { class: "panel" }, h("header", {}, h("h2", {}, "What the gateway claims about the record"), h("p", {}, "Claims made in public when it was recorded. A record can be held against them.")),
    h("div", { class: "pad" }, names.length === 0 ? h("p", { class: "soft" }, "Nothing.")
      : h("ul", { class: "plain bits" }, names.map((name) => h("li", {}, status("mute", `Claimed: ${name}`)))),
    h("p", { class: "s soft sec-t" }, "The log cannot show whether a claim is true. The record itself does; ask its owner for a presentation.")));
}

/** When the entry was logged, as far as witnesses' times bound it. */
async function times(opened: Opened, entry: ProvenEntry, decoded: Entry | null, lines: readonly Line[]): Promise<HTMLElement> {
  const { known } = opened;
  const seconds = lines.flatMap((line) => (line.state === "verified" ? [Number(line.seconds)] : []));
  const before = await notBefore(opened, entry.index);
  const facts: Child[] = [
    before === null ? fact("Not cosigned before", status("unk", "Not determined"), h("p", { class: "s soft" }, "That takes a cosigned checkpoint from before the entry. Every visit to this log leaves one in this browser."))
      : fact("Not cosigned before", moment(before * 1000), h("p", { class: "s soft" }, "A checkpoint that this browser kept was cosigned then and did not have the entry. The log may have held it back before.")),
    decoded === null ? null : fact("The log's clock", moment(decoded.loggedAt)),
    seconds.length === 0 || !opened.cosigned.quorum ? fact("Logged not after", status("unk", "Not determined"), h("p", { class: "s soft" }, "No quorum of witnesses with a known key states a time."))
      : fact("Logged not after", moment(Math.max(...seconds) * 1000), h("p", { class: "s soft" }, "By then all cosigners of the newest checkpoint, which has the entry, had seen it.")),
  ];
  return h("div", { class: "panel" }, h("header", {}, h("h2", {}, "When it was logged")), h("div", { class: "pad" }, h("dl", { class: "kv" }, facts),
    known.isConfirmed ? null : h("p", { class: "s soft" }, "These times are the witnesses' only if the key and the policy are right.")));
}

/** The latest cosignature on the checkpoint kept from an earlier visit, if that did not have the entry yet. */
async function notBefore(opened: Opened, index: bigint): Promise<number | null> {
  const { before: kept, visit: { comparison } } = opened;
  const { policy } = opened.known.trust;
  // A checkpoint that the log is not proven to contain shows nothing about this entry.
  if (kept === null || policy === null || !(comparison === "same" || comparison === "consistent")) return null;
  try {
    const { head, cosignatures } = await opened.known.trust.checkpoint(kept);
    const seconds = cosignatures.map(({ timestamp }) => Number(timestamp)).filter((time) => time > 0);
    // Each of them had seen no larger head at its own time: before the earliest, none of them had seen the entry.
    return head.size > index || seconds.length === 0 ? null : Math.min(...seconds);
  } catch (error) {
    if (error instanceof VerifyError) return null;
    throw error;
  }
}

interface WitnessLine { readonly witness: { readonly name: string }; readonly line: Line }

function cosignaturesPanel({ known, signed, cosigned }: Opened, lines: readonly WitnessLine[]): HTMLElement {
  const list = lines.map(({ witness, line }) => h("li", {}, h("span", {}, witness.name), h("span", { class: "num" },
    line.state === "verified" ? [known.affirm("Verified"), " ", h("span", { class: "s soft" }, moment(Number(line.seconds) * 1000))]
      : line.state === "forged" ? status("bad", "Forged") : h("span", { class: "st mute" }, icon("wait"), "Not on this checkpoint"))));
  const quorum: Child = known.trust.policy === null ? status("unk", "No policy: not checked") : known.trust.policy.isQuorumNone ? status("unk", "The policy asks for none")
    : cosigned.quorum ? known.affirm("Quorum met") : status("bad", "No quorum");
  return h("div", { class: "panel" }, h("header", {}, h("h2", {}, "Who vouches for it"), h("p", {}, `Checkpoint of ${count(signed.head.size, "entry", "entries")}`)),
    h("ul", { class: "plain ans" }, h("li", {}, h("span", {}, "The log, ", known.trust.origin), known.affirm("Signed")), list, h("li", {}, h("span", {}, "Quorum of the policy"), quorum)));
}

await main();
