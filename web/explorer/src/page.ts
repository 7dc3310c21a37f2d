// What every page of a log begins with: the key, the newest checkpoint, and the head that this browser saw before.

import { cosignatures, encodeHex, Prover, VerifyError, type Cosigned, type ReadObject, type SignedCheckpoint } from "@vouchlog/verify";
import { alarm, at, digest, h, note, put, type Child } from "./dom.js";
import { compareHeads, type Comparison } from "./heads.js";
import { showKey } from "./key_panel.js";
import { logUrl, readerOf } from "./log.js";
import { recall, remember, start, type Known } from "./trust.js";
import { grouped } from "./words.js";

/** A log whose newest checkpoint verified. */
export interface Opened {
  readonly root: URL;
  readonly read: ReadObject;
  readonly known: Known;
  readonly signed: SignedCheckpoint;
  readonly cosigned: Cosigned;
  readonly prover: Prover;
  readonly visit: Visit;
  /** The checkpoint that this browser kept before this visit. */
  readonly before: string | null;
}

/** The head that this browser saw at an earlier visit. */
export interface Visit {
  /** Null at the first visit. */
  readonly comparison: Comparison | null;
  readonly size: bigint;
  /** Milliseconds since 1970, by this device's clock. */
  readonly at: number;
  /** Whether the browser keeps anything for this page. */
  readonly isKept: boolean;
}

interface Seen { readonly checkpoint: string; readonly at: number }

const words = (error: unknown): string => (error instanceof Error ? error.message : "an error without words");

/** Opens the log of the page. Null, with the reason on the page, if there is no key, or nothing that the key signed. */
export async function open(): Promise<Opened | null> {
  showPlace();
  const root = logUrl();
  const begun = await start(root);
  showKey(begun);
  const { known } = begun;
  if (known === null) return null;
  const read = readerOf(root);
  try {
    const bytes = await read("checkpoint");
    if (bytes === null) return failed("The log serves no checkpoint", "missing-checkpoint", "There is nothing that could be checked.");
    const signed = await known.trust.open(bytes);
    const cosigned = await cosignatures(signed, known.trust);
    const before = parseSeen(recall(root, `head:${known.fingerprint}`))?.checkpoint ?? null;
    const visit = await compareWithLast(root, read, known, signed);
    showContradiction(visit, signed);
    return { root, read, known, signed, cosigned, prover: new Prover(read, signed.head), visit, before };
  } catch (error) {
    if (error instanceof VerifyError && error.reason === "unsupported") {
      put(at("alarms"), note("unk", h("b", {}, "Not checked."), ` ${words(error)}. This page has no verifier for that algorithm; use \`vouchlog audit\`.`));
      return null;
    }
    if (error instanceof VerifyError && error.reason !== "unreadable") {
      return failed("The checkpoint does not verify", error.reason, `${error.message}. Either the key is not this log's, or the checkpoint was not signed by the log.`);
    }
    put(at("alarms"), note("warn", h("b", {}, "The log could not be read."), ` ${words(error)}. Nothing was checked; this shows nothing about the log.`));
    return null;
  }
}

/** On a narrow screen the navigation is wider than the screen: the name of this page is scrolled into it. */
function showPlace(): void {
  const current = document.querySelector<HTMLElement>(".nav [aria-current]");
  const navigation = current?.parentElement ?? null;
  if (current === null || navigation === null) return;
  const end = current.offsetLeft - navigation.offsetLeft + current.offsetWidth;
  if (end > navigation.clientWidth) navigation.scrollLeft = end - navigation.clientWidth + 24;
}

function failed(title: string, code: string, text: string): null {
  put(at("alarms"), alarm(title, h("p", { class: "sec-t" }, text, " ", h("span", { class: "code" }, code))));
  return null;
}

/** Compares with the last head that held, and keeps the new one if it contains that. */
async function compareWithLast(root: URL, read: ReadObject, known: Known, signed: SignedCheckpoint): Promise<Visit> {
  const name = `head:${known.fingerprint}`;
  const last = parseSeen(recall(root, name));
  const seen: Seen = { checkpoint: signed.note.note, at: Date.now() };
  const none = { comparison: null, size: 0n, at: 0 };
  if (last === null) return { ...none, isKept: remember(root, name, JSON.stringify(seen)) };
  let before;
  try {
    before = await known.trust.open(last.checkpoint);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return { ...none, isKept: remember(root, name, JSON.stringify(seen)) };
  }
  const compared = await compareHeads(read, before.head, signed.head);
  // A log that shows less than it signed has shrunk, whether or not its hashes show how.
  const comparison = compared === "unproven" && signed.head.size < before.head.size ? "smaller" : compared;
  // A head that contradicts the known one does not take its place: the contradiction must show at every visit.
  const isKept = comparison === "same" || comparison === "consistent" ? remember(root, name, JSON.stringify(seen)) : true;
  return { comparison, size: before.head.size, at: last.at, isKept };
}

export function parseSeen(text: string | null): Seen | null {
  if (text === null) return null;
  try {
    const { checkpoint, at: time } = JSON.parse(text) as Record<string, unknown>;
    return typeof checkpoint === "string" && typeof time === "number" ? { checkpoint, at: time } : null;
  } catch {
    return null;
  }
}

function showContradiction(visit: Visit, signed: SignedCheckpoint): void {
  const sizes = `At your last visit it had ${grouped(visit.size)} entries, now it serves ${grouped(signed.head.size)}.`;
  const said: Child = visit.comparison === "fork"
    ? alarm("This log shows two histories", h("p", { class: "sec-t" },
      `${sizes} Neither tree contains the other, and the log's key signed both. `, h("span", { class: "code" }, visit.size === signed.head.size ? "split-view" : "inconsistent-heads")),
    h("p", { class: "s soft sec-t" }, "Do not rely on this log. Keep both checkpoints and show them to its witnesses: together they are the proof. The root served now is ", digest(encodeHex(signed.head.root), "the root hash served now"), "."))
    : visit.comparison === "smaller"
      ? alarm("This log became smaller", h("p", { class: "sec-t" }, `${sizes} A log only grows: this is an old view of it, or it was set back. `, h("span", { class: "code" }, "shrunken-log")))
      : visit.comparison === "unproven"
        ? note("warn", h("b", {}, "Not consistent with your last visit as far as can be proven."), ` ${sizes} The hashes that it serves do not show that the newer tree contains the older one.`)
        : null;
  put(at("alarms"), said);
}

/** Whether something contradicts the log, so that a page must say nothing good of it. */
export function isContradicted({ visit, known }: Opened): boolean {
  return known.isContradicted || visit.comparison === "fork" || visit.comparison === "smaller";
}
