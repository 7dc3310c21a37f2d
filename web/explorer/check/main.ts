// The page on which a reader checks files: from a log, from disk, or as the program inside a court file.

import { at, announce, h, icon, note, put } from "../src/dom.js";
import { count } from "../src/words.js";
import { courtHead, readCourt, saveLink, verifierPanel, type Court } from "./court.js";
import { keptKeys, showKeys, type Known } from "./keys.js";
import { rulesSection } from "./rules.js";
import { checkFile, type ChosenFile } from "./result.js";

/** Files that are kept on the page; the oldest gives way. */
const MAX_FILES = 20;
/** Files with more bytes take a moment. */
const LONG_BYTES = 512 * 1024;
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** The files on the page, newest first, and what they are checked with. */
class Page {
  private known: Known = { trust: null, source: "reader", problem: null };
  private files: readonly ChosenFile[];
  /** Counts what was asked for, so that a result that was overtaken is not drawn. */
  private asked = 0;

  constructor(private readonly court: Court | null) {
    this.files = court?.files ?? [];
  }

  use(known: Known): void {
    this.known = known;
    put(at("where"), known.trust?.origin ?? "");
    void this.check();
  }

  add(files: readonly ChosenFile[]): void {
    this.files = [...files, ...this.files].slice(0, MAX_FILES);
    void this.check().then(() => document.querySelector(".result")?.scrollIntoView());
  }

  /** Lets the browser draw that something is under way: what follows leaves it no time. */
  private showBusy(files: number): Promise<void> {
    put(at("results"), note("mute", `Checking ${count(files, "file")} …`));
    return new Promise((resolve) => setTimeout(resolve));
  }

  private async check(): Promise<void> {
    const turn = ++this.asked;
    const { known, files } = this;
    if (files.length === 0) return;
    if (files.reduce((sum, { bytes }) => sum + bytes.length, 0) > LONG_BYTES) await this.showBusy(files.length);
    const results = [];
    try {
      for (const file of files) results.push(await checkFile(file, known));
      const verifier = this.court === null ? null : await verifierPanel(this.court, known);
      if (turn !== this.asked) return;
      put(at("results"), results.map(({ element }) => element), verifier, this.court === null ? null : rulesSection(this.court.rules));
    } catch (error) {
      // Nothing that was drawn before may stand beside a file that this page failed on.
      put(at("results"), note("warn", h("b", {}, "This page failed, and nothing was verified."), ` ${error instanceof Error ? error.message : "unknown error"}`));
      announce("This page failed, and nothing was verified.");
      throw error;
    }
    announce(results.map(({ words }) => words).join(". "));
  }
}

async function read(files: readonly File[]): Promise<ChosenFile[]> {
  const read: ChosenFile[] = [];
  for (const file of files.slice(0, MAX_FILES)) {
    // The verifier refuses a longer file; there is no need to read it.
    const part = file.size > MAX_FILE_BYTES ? file.slice(0, MAX_FILE_BYTES + 1) : file;
    read.push({ name: file.name, bytes: new Uint8Array(await part.arrayBuffer()) });
  }
  return read;
}

function showDrop(page: Page): void {
  const input = h("input", { id: "choose", type: "file", class: "vh", multiple: true });
  input.addEventListener("change", () => {
    void read([...input.files ?? []]).then((files) => page.add(files));
    input.value = "";
  });
  const text = h("textarea", { id: "text", rows: 3, spellcheck: "false" });
  const paste = h("form", { class: "stack" }, h("label", { for: "text", class: "s b" }, "Or paste the text of one file"), text,
    h("div", { class: "acts" }, h("button", { class: "btn", type: "submit" }, "Check the text")));
  paste.addEventListener("submit", (event) => {
    event.preventDefault();
    if (text.value !== "") page.add([{ name: "", bytes: new TextEncoder().encode(text.value) }]);
  });
  const zone = h("div", { class: "drop", id: "zone" }, h("p", {}, h("b", {}, "Drop files here"), ", anywhere on this page"), h("p", {}, "Nothing leaves your device."),
    input, h("label", { class: "btn", for: "choose" }, icon("file"), "Choose files"));
  put(at("drop"), h("div", { class: "grid g2" }, zone, h("div", { class: "panel pad" }, paste)));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    void read([...event.dataTransfer?.files ?? []]).then((files) => page.add(files));
  });
}

/** Where the page is beside the others of a log, which it then leads back to. */
const isServed = (): boolean => location.protocol.startsWith("http") && location.pathname.endsWith("/explorer/verify.html");

function showNavigation(): void {
  const links = [["../", "Overview"], ["streams.html", "Streams"], ["entry.html", "Entries"], ["audit.html", "Audit"], ["compare.html", "Compare"], ["verify.html", "Check a file"]] as const;
  put(at("nav"), links.map(([href, words]) => h("a", { href, "aria-current": href === "verify.html" ? "page" : null }, words)));
  at("nav").hidden = false;
}

function main(): void {
  let court: Court | null;
  try {
    court = readCourt();
  } catch {
    put(at("court"), note("warn", h("b", {}, "What this file carries is damaged."), " Nothing of it was verified."));
    return;
  }
  const page = new Page(court);
  if (court !== null) {
    document.title = `${court.title} · court file`;
    put(at("title"), "Court file");
    put(at("lede"), "This file carries records of a transparency log, their proofs, and the program that checks them. It works offline, in any browser, and asks no server.");
    put(at("court"), courtHead(court), h("div", { class: "acts needs-js sec-t" }, court.files.map(saveLink)));
  }
  const isBesideLog = court === null && isServed();
  if (isBesideLog) showNavigation();
  showDrop(page);
  showKeys(court?.keys ?? (isBesideLog ? keptKeys(new URL("../", location.href)) : null), (known) => page.use(known));
}

// What a court file carries stands behind the script.
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", main);
else main();
