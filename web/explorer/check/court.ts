// A court file: this page with the files of a case behind it. They stand after the page's last byte, so that the page itself is the
// first part of the file and its digest can be computed with any tool.

import { verifyProofFile, VerifyError } from "@vouchlog/verify";
import { digest, fact, h, note, status, type Child } from "../src/dom.js";
import { grouped } from "../src/words.js";
import type { Keys, Known } from "./keys.js";
import type { ChosenFile } from "./result.js";

/** The `format` of what stands behind the page. */
const COURT_FORMAT = "vouchlog/v1 court";

/** What stands behind the page; nothing in it is verified. */
export interface Court {
  readonly title: string;
  readonly made: string;
  readonly basis: string;
  readonly keys: Keys;
  readonly files: readonly ChosenFile[];
  readonly rules: readonly { readonly code: string; readonly title: string; readonly text: string }[];
  readonly verifier: Verifier;
}

/** The page itself, as its maker logged it. */
interface Verifier {
  readonly bytes: number;
  readonly sha256: string;
  readonly proof: string | null;
}

/** What a court file carries; null for the page alone. Throws a text if it cannot be read. */
export function readCourt(): Court | null {
  const element = document.getElementById("vouchlog-court");
  if (element === null) return null;
  const value = JSON.parse(element.textContent ?? "") as { [name: string]: unknown };
  const text = (of: { [name: string]: unknown }, name: string): string => {
    const one = of[name];
    if (typeof one !== "string") throw new Error(`${name} is not a text`);
    return one;
  };
  const items = (name: string): { [name: string]: unknown }[] => (value[name] as { [name: string]: unknown }[]).map((one) => one);
  if (text(value, "format") !== COURT_FORMAT) throw new Error("it is of another format");
  const verifier = value["verifier"] as { [name: string]: unknown };
  const optional = (name: string): string | null => (verifier[name] === null || verifier[name] === undefined ? null : text(verifier, name));
  return {
    title: text(value, "title"), made: text(value, "made"), basis: text(value, "basis"),
    keys: { vkey: text(value, "log_vkey"), policy: text(value, "policy"), gateways: text(value, "gateway_vkeys"), source: "file" },
    files: items("files").map((file) => ({ name: text(file, "name"), bytes: new TextEncoder().encode(text(file, "text")) })),
    rules: items("rules").map((rule) => ({ code: text(rule, "code"), title: text(rule, "title"), text: text(rule, "text") })),
    verifier: { bytes: Number(verifier["bytes"]), sha256: text(verifier, "sha256"), proof: optional("proof") },
  };
}

/** What the file is and who made it, in words. */
export function courtHead({ title, made, basis, files }: Court): Child {
  return h("div", { class: "panel pad stack" },
    h("dl", { class: "kv" }, fact("About", title), fact("Made", `${made}, by its maker’s clock`), fact("For", basis === "" ? "no reason is stated" : basis),
      fact("Contains", `${files.map(({ name }) => name).join(", ")}, and the page that checks them`)),
    note("warn", h("b", {}, "Everything in this box is the word of the maker of the file."), " What is verified stands below, under each file."));
}

/** A link that saves one of the files as it is, for other programs to check. */
export function saveLink({ name, bytes }: ChosenFile): HTMLElement {
  const url = URL.createObjectURL(new Blob([bytes.slice()], { type: "application/octet-stream" }));
  return h("a", { class: "btn small", href: url, download: name }, `Save ${name}`);
}

/** How to compare the page with what the log has of it, and what the log has. */
export async function verifierPanel(court: Court, known: Known): Promise<HTMLElement> {
  const { bytes, sha256: claimed } = court.verifier;
  return h("section", { "aria-labelledby": "h-verifier", id: "verifier" },
    h("div", { class: "sec-h" }, h("h2", { id: "h-verifier" }, "The program in this file"), await logged(court.verifier, known)),
    h("div", { class: "panel pad stack" },
      h("p", {}, "A page cannot vouch for itself. Compare it before you rely on it: its digest must be the one that the log has, or the one that the publisher of Vouchlog states for this version."),
      h("dl", { class: "kv" }, fact("Claimed digest", digest(claimed, "the claimed digest of the program"), " SHA-256 of the first ", grouped(bytes), " bytes of this file")),
      h("p", {}, "On Linux or macOS:"), h("pre", { tabindex: "0", role: "region", "aria-label": "Command for Linux or macOS" }, `head -c ${bytes} FILE.html | sha256sum`),
      h("p", {}, "On Windows, in PowerShell:"),
      h("pre", { tabindex: "0", role: "region", "aria-label": "Command for Windows" }, `$b = [IO.File]::ReadAllBytes((Resolve-Path FILE.html)); $h = [Security.Cryptography.SHA256]::Create().ComputeHash($b, 0, ${bytes}); [BitConverter]::ToString($h).Replace('-', '').ToLower()`),
      h("p", { class: "s soft" }, "Or drop any of the saved files on a page that you have from elsewhere, or run vouchlog verify on it: both give the same verdict.")));
}

async function logged({ sha256: claimed, proof }: Verifier, { trust, source }: Known): Promise<HTMLElement> {
  const pill = (element: HTMLElement): HTMLElement => {
    element.classList.add("pill");
    return element;
  };
  if (proof === null) return pill(status("mute", "Its digest is not in the log"));
  if (trust === null) return pill(status("mute", "Not checked"));
  try {
    const { index } = await verifyProofFile(proof, trust, { digest: claimed });
    const words = `The claimed digest is entry ${grouped(index)} of the log`;
    return pill(source === "reader" ? status("ok", words) : status("warn", `${words}, by the keys in this file`));
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return pill(status("bad", `The log does not have the claimed digest: ${error.message}`));
  }
}
