import { encodeBase64 } from "./verify/index.js";
import { h, icon } from "./dom.js";
export function proofFile({ index, bytes, path }, checkpoint) {
    const hashes = path.map(({ hash }) => `${encodeBase64(hash)}\n`).join("");
    return new TextEncoder().encode(`c2sp.org/tlog-proof@v1\nextra ${encodeBase64(bytes)}\nindex ${index}\n${hashes}\n${checkpoint}`);
}
export function saveButton(label, name, content) {
    const button = h("button", { class: "btn", type: "button" }, icon("file"), label);
    button.addEventListener("click", () => {
        const url = URL.createObjectURL(new Blob([content]));
        const link = h("a", { href: url, download: name });
        link.click();
        setTimeout(() => URL.revokeObjectURL(url), 60_000);
    });
    return button;
}
