import { h, icon } from "./dom.js";
function base64(bytes) {
    let binary = "";
    for (let at = 0; at < bytes.length; at += 0x8000)
        binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(binary);
}
export function proofFile({ index, bytes, path }, checkpoint) {
    const hashes = path.map(({ hash }) => `${base64(hash)}\n`).join("");
    return new TextEncoder().encode(`c2sp.org/tlog-proof@v1\nextra ${base64(bytes)}\nindex ${index}\n${hashes}\n${checkpoint}`);
}
export { base64 };
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
