// One checked file: what it is, each check, what it shows, and what it does not show.

import { recognise, verifyFile, VerifyError, type Check, type FileKind, type Trust, type VerifiedFile } from "@vouchlog/verify";
import { h, icon, note, status, type Child } from "../src/dom.js";
import { checksPanel, sentence } from "./checks.js";
import type { Known, Source } from "./keys.js";
import { KINDS, shownBy, type Shown } from "./shows.js";

/** A file as it was chosen. */
export interface ChosenFile { readonly name: string; readonly bytes: Uint8Array }

/** How a file came out: `held` only if every check passed. */
export interface Result { readonly element: HTMLElement; readonly state: "held" | "refused" | "unchecked"; readonly words: string }

let shown = 0;

/** Checks a file and draws the result. */
export async function checkFile({ name, bytes }: ChosenFile, { trust, source }: Known): Promise<Result> {
  const checks: Check[] = [];
  const began = performance.now();
  if (trust === null) return unchecked(name, bytes);
  let verified: VerifiedFile;
  try {
    verified = await verifyFile(bytes, trust, (check) => checks.push(check));
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    const kind = kindOf(bytes);
    const words = error.reason === "unsupported" ? "cannot be checked by this page" : "does not verify";
    const pill = error.reason === "unsupported" ? status("warn", "Cannot be checked") : status("bad", "Does not verify");
    return { state: "refused", words: `${name} ${words}`, element: section(name, pill, subtitle(kind, bytes, began), [refusal(error), limitsOf(null, REFUSED, source)], checksPanel(kind, checks, { hasPolicy: trust.policy !== null, source })) };
  }
  const what = shownBy(verified, trust);
  const pill = verdict(verified, trust, source);
  return {
    state: "held", words: `${name}: ${pill.textContent}`,
    element: section(name, pill, subtitle(verified.file, bytes, began), [warning(source), what.says, limitsOf(what.shows, what.not, source)], checksPanel(verified.file, checks, { hasPolicy: trust.policy !== null, source })),
  };
}

/** SPEC: "Verified" is for what rests on the reader's own keys and witnesses, and shows something. */
function verdict(verified: VerifiedFile, { policy }: Trust, source: Source): HTMLElement {
  if (isEmpty(verified)) return status("warn", "Shows nothing");
  if (source === "file") return status("warn", "Holds by the keys in this file");
  // A finding that holds is bad news, and one that was only observed is none.
  if (verified.file === "evidence") return verified.shows.verdict === "proven" ? status("bad", "Proven") : status("warn", "Observed, not provable");
  if (policy === null || policy.isQuorumNone) return status("warn", "Verified, signed by the log only");
  return status("ok", "Verified");
}

/** Whether a file holds because there is nothing in it. */
function isEmpty(verified: VerifiedFile): boolean {
  switch (verified.file) {
    case "session": return verified.shows.records.length === 0;
    case "completeness": return verified.shows.streams.length === 0;
    case "sample": return verified.shows.entries.length === 0;
    default: return false;
  }
}

const warning = (source: Source): Child => source === "reader" ? null
  : note("warn", "Checked with the keys that came with this file. They show nothing until you compare them with your own source.");

const REFUSED = [
  "Who changed the file, or when, or whether it was changed at all: it may also belong to another log, another policy or other keys than those you entered.",
  "Any of its contents: no value of a file that does not verify is shown.",
];

function refusal(error: VerifyError): HTMLElement {
  return h("div", { class: "alarm" }, h("h3", {}, icon("bad"), error.reason === "unsupported" ? "This page cannot check the file" : "Do not rely on this file"),
    h("p", { class: "sec-t" }, `${sentence(error.message)}.`),
    h("p", { class: "s soft sec-t" }, ADVICE[error.reason] ?? "Keep the file as it is, and ask its sender for the original."));
}

const ADVICE: Readonly<Record<string, string>> = {
  "other-log": "It is about another log than the one whose key you entered. Check the key first.",
  signature: "If the key you entered is that of another log, every file of this log fails here. Compare the key first.",
  quorum: "The log signed it, but not enough witnesses of your policy did. Ask the sender for a newer file, and compare the policy.",
  "not-pinned": "The gateway’s key is none of those that you entered.",
  "too-large": "The file exceeds a bound of this page.",
  format: "It is damaged, or it is no file of Vouchlog’s.",
  unsupported: "It is signed with a post-quantum key, which this page does not know. Use vouchlog verify.",
};

function unchecked(name: string, bytes: Uint8Array): Result {
  const kind = kindOf(bytes);
  const what = kind === null ? "This is no file that can be checked." : "Enter the log’s public key above, and the file is checked.";
  const element = section(name, status("mute", "Not checked"), subtitle(kind, bytes, null), [note("warn", what)], null);
  return { state: "unchecked", words: `${name} was not checked`, element };
}

function kindOf(bytes: Uint8Array): FileKind | null {
  try {
    return recognise(bytes);
  } catch (error) {
    if (error instanceof VerifyError) return null;
    throw error;
  }
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

const subtitle = (kind: FileKind | null, bytes: Uint8Array, began: number | null): string =>
  `${kind === null ? "Not a known kind of file" : KINDS[kind]}, ${size(bytes.length)}${began === null ? "" : `, checked in ${Math.max(1, Math.round(performance.now() - began))} ms`}`;

function limitsOf(shows: Shown["shows"] | null, not: Shown["not"], source: Source): HTMLElement {
  const list = (items: readonly string[]): HTMLElement => h("ul", {}, items.map((one) => h("li", {}, one)));
  return h("div", { class: "panel pad limits" },
    shows === null ? null : h("div", {}, shownHeading(source), list(shows)),
    h("div", {}, h("h3", { class: "mute" }, icon("none"), "What this does not show"), list(not)));
}

/** The reader's own keys make it good. */
const shownHeading = (source: Source): HTMLElement => source === "reader"
  ? h("h3", { class: "ok" }, icon("ok"), "What this shows")
  : h("h3", { class: "mute" }, icon("none"), "What this shows, if these keys are the right ones");

function section(name: string, pill: HTMLElement, sub: string, body: readonly Child[], checks: HTMLElement | null): HTMLElement {
  const id = `file-${++shown}`;
  pill.classList.add("pill");
  return h("section", { "aria-labelledby": id, class: "result", tabindex: "-1" },
    h("div", { class: "sec-h" }, h("h2", { id }, name === "" ? "Pasted text" : name), pill, h("p", {}, sub)),
    h("div", { class: "grid g21" }, h("div", { class: "stack" }, body), checks));
}
