// Files that a page makes for its reader to keep.

import { encodeBase64, type ProvenEntry } from "@vouchlog/verify";
import { h, icon } from "./dom.js";

/** A proof file (C2SP tlog-proof) with the entry as its extra data. */
export function proofFile({ index, bytes, path }: ProvenEntry, checkpoint: string): Uint8Array<ArrayBuffer> {
  const hashes = path.map(({ hash }) => `${encodeBase64(hash)}\n`).join("");
  return new TextEncoder().encode(`c2sp.org/tlog-proof@v1\nextra ${encodeBase64(bytes)}\nindex ${index}\n${hashes}\n${checkpoint}`);
}

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
