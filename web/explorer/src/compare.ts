// Compares the log's head with what its witnesses serve, with what another address serves, and with a checkpoint that the reader has.

import { encodeHex, VerifyError, type SignedCheckpoint } from "@vouchlog/verify";
import { at, cell, digest, field, h, note, put, row, status, table, type Child } from "./dom.js";
import { saveButton } from "./files.js";
import { compareHeads, type Comparison } from "./heads.js";
import { readerOf, readUrl } from "./log.js";
import { isContradicted, open, type Opened } from "./page.js";
import { askWitness, type Answer } from "./witnesses.js";
import { ago, count, grouped } from "./words.js";

const MAX_CHECKPOINT = 1 << 20;

async function main(): Promise<void> {
  const opened = await open();
  if (opened === null) return;
  const { signed, known } = opened;
  put(at("own"), h("div", { class: "panel pad fact" }, h("h2", { class: "k" }, "This log serves here"), h("p", { class: "v" }, count(signed.head.size, "entry", "entries")),
    h("p", {}, known.affirm("Signed by the log")), h("p", {}, "Root ", digest(encodeHex(signed.head.root), "the root hash"))));
  on("second", "second-result", (result) => second(opened, result));
  on("paste", "paste-result", (result) => pasted(opened, result));
  await witnesses(opened);
}

function on(form: string, result: string, act: (result: HTMLElement) => Promise<void>): void {
  at(form).addEventListener("submit", (event) => {
    event.preventDefault();
    put(at(result), "Asking…");
    act(at(result)).catch((error: unknown) => put(at(result), status("unk", `Not compared: ${error instanceof Error ? error.message : "an error without words"}`)));
  });
}

/** What a comparison shows, in a status and a sentence. */
function said({ known }: Opened, comparison: Comparison, theirs: SignedCheckpoint, ours: SignedCheckpoint): { state: HTMLElement; text: string } {
  const [more, less] = [theirs.head.size - ours.head.size, ours.head.size - theirs.head.size];
  switch (comparison) {
    case "same": return { state: known.affirm("The same head"), text: "" };
    case "consistent": return { state: known.affirm("Consistent"), text: `It is ${count(less, "entry", "entries")} behind; its tree is part of this one.` };
    case "smaller": return { state: status("warn", "This log shows less"), text: `It has ${count(more, "entry", "entries")} more than this log serves here, and contains this tree. This is an old view, or the log has grown meanwhile: load the page again.` };
    case "fork": return { state: status("bad", "Another history"), text: "Neither tree contains the other, and the log's key signed both. Keep both checkpoints: together they are the proof." };
    case "unproven": return { state: status("unk", "Not determined"), text: "The hashes that the log serves show neither that one tree contains the other, nor that it does not." };
  }
}

async function witnesses(opened: Opened): Promise<void> {
  const { policy } = opened.known.trust;
  if (policy === null || policy.witnesses.length === 0) {
    put(at("witnesses"), h("div", { class: "pad" }, note("unk", "No witness policy is known. Enter one with the key to compare with what its witnesses serve.")));
    return;
  }
  put(at("witnesses"), h("p", { class: "pad s" }, "Asking…"));
  const rows = await Promise.all(policy.witnesses.map(async (witness) => {
    const answer = await askWitness(witness, opened.known.trust);
    return row([witness.name, h("span", { class: "sub" }, witness.url ?? "no URL in the policy")], ...(await cells(opened, answer)));
  }));
  put(at("witnesses"), table("What the witnesses serve", ["Witness", "Comparison", "Size", "Cosigned"], [2, 3], rows));
}

async function cells(opened: Opened, answer: Answer): Promise<HTMLElement[]> {
  const wide = (...children: Child[]): HTMLElement => h("td", { role: "cell", class: "full" }, children);
  const none = [cell("Size", true, "–"), cell("Cosigned", true, "–")];
  if (answer.state === "silent") return [wide(status("unk", "Not asked or not responding"), h("span", { class: "sub" }, answer.words)), ...none];
  if (answer.state === "nothing") return [wide(status("unk", "Serves no checkpoint of this log")), ...none];
  if (answer.state === "bad") return [wide(status("bad", "Its checkpoint does not verify"), h("span", { class: "sub" }, answer.words)), ...none];
  const comparison = await compareHeads(opened.read, answer.signed.head, opened.signed.head);
  const { state, text } = said(opened, comparison, answer.signed, opened.signed);
  return [wide(state, h("span", { class: "sub" }, text), comparison === "fork" ? saveBoth(opened, answer.signed) : null),
    cell("Size", true, grouped(answer.signed.head.size)), cell("Cosigned", true, ago(Number(answer.seconds) * 1000, Date.now()))];
}

function saveBoth({ signed }: Opened, theirs: SignedCheckpoint): HTMLElement {
  return h("div", { class: "acts sec-t" }, saveButton("Save this log's checkpoint", "checkpoint-here.txt", signed.note.note), saveButton("Save the other checkpoint", "checkpoint-there.txt", theirs.note.note));
}

async function second(opened: Opened, result: HTMLElement): Promise<void> {
  const typed = field("url").value.trim();
  const url = URL.canParse(typed) ? new URL(typed.endsWith("/") ? typed : `${typed}/`) : null;
  if (url === null || !(url.protocol === "https:" || url.protocol === "http:")) return put(result, status("unk", "This is not the URL of a log."));
  const bytes = await readUrl(new URL("checkpoint", url), MAX_CHECKPOINT, "no-store");
  if (bytes === null) return put(result, status("unk", "There is no checkpoint at this address."));
  await compare(opened, new TextDecoder().decode(bytes), result, url);
}

async function pasted(opened: Opened, result: HTMLElement): Promise<void> {
  const text = field("checkpoint").value.replace(/\r\n/g, "\n").trimStart();
  await compare(opened, text.endsWith("\n") ? text : `${text}\n`, result, null);
}

async function compare(opened: Opened, text: string, result: HTMLElement, from: URL | null): Promise<void> {
  let theirs;
  try {
    theirs = await opened.known.trust.open(text);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    // Anyone can write such a text: it shows nothing about the log.
    return put(result, status("unk", "Not comparable"), h("p", { class: "s soft" }, `It is no checkpoint that this log's key signed: ${error.message}.`));
  }
  let comparison = await compareHeads(opened.read, theirs.head, opened.signed.head);
  // Where this log's hashes prove nothing, those of the other address may.
  if (comparison === "unproven" && from !== null) comparison = await compareHeads(readerOf(from), theirs.head, opened.signed.head);
  const { state, text: words } = said(opened, comparison, theirs, opened.signed);
  put(result, isContradicted(opened) ? status("bad", "This log contradicts itself, see above") : null, h("p", {}, state), h("p", { class: "s soft" }, `${count(theirs.head.size, "entry", "entries")}. ${words}`), comparison === "fork" ? saveBoth(opened, theirs) : null);
}

await main();
