// Files that a page makes for its reader to keep.

import type { ProvenEntry } from "@vouchlog/verify";
import { h, icon } from "./dom.js";

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** A proof file (C2SP tlog-proof) with the entry as its extra data. */
export function proofFile({ index, bytes, path }: ProvenEntry, checkpoint: string): Uint8Array<ArrayBuffer> {
  const hashes = path.map(({ hash }) => `${base64(hash)}\n`).join("");
  return new TextEncoder().encode(`c2sp.org/tlog-proof@v1\nextra ${base64(bytes)}\nindex ${index}\n${hashes}\n${checkpoint}`);
}

export { base64 };

/** A button that saves a file. */
export function saveButton(label: string, name: string, content: Uint8Array<ArrayBuffer> | string): HTMLElement {
  const button = h("button", { class: "btn", type: "button" }, icon("file"), label);
  button.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([content]));
    const link = h("a", { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
  return button;
}
