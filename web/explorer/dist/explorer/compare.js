import { encodeHex, VerifyError } from "./verify/index.js";
import { at, cell, digest, field, h, note, put, row, status, table } from "./dom.js";
import { saveButton } from "./files.js";
import { compareHeads } from "./heads.js";
import { readerOf, readUrl } from "./log.js";
import { isContradicted, open } from "./page.js";
import { askWitness } from "./witnesses.js";
import { ago, count, grouped } from "./words.js";
const MAX_CHECKPOINT = 1 << 20;
async function main() {
    const opened = await open();
    if (opened === null)
        return;
    const { signed, known } = opened;
    put(at("own"), h("div", { class: "panel pad fact" }, h("h2", { class: "k" }, "This log serves here"), h("p", { class: "v" }, count(signed.head.size, "entry", "entries")), h("p", {}, known.affirm("Signed by the log")), h("p", {}, "Root ", digest(encodeHex(signed.head.root), "the root hash"))));
    on("second", "second-result", (result) => second(opened, result));
    on("paste", "paste-result", (result) => pasted(opened, result));
    await witnesses(opened);
}
function on(form, result, act) {
    at(form).addEventListener("submit", (event) => {
        event.preventDefault();
        put(at(result), "Asking…");
        act(at(result)).catch((error) => put(at(result), status("unk", `Not compared: ${error instanceof Error ? error.message : "an error without words"}`)));
    });
}
function said({ known }, comparison, theirs, ours) {
    const [more, less] = [theirs.head.size - ours.head.size, ours.head.size - theirs.head.size];
    switch (comparison) {
        case "same": return { state: known.affirm("The same head"), text: "" };
        case "consistent": return { state: known.affirm("Consistent"), text: `It is ${count(less, "entry", "entries")} behind; its tree is part of this one.` };
        case "smaller": return { state: status("warn", "This log shows less"), text: `It has ${count(more, "entry", "entries")} more than this log serves here, and contains this tree. This is an old view, or the log has grown meanwhile: load the page again.` };
        case "fork": return { state: status("bad", "Another history"), text: "Neither tree contains the other, and the log's key signed both. Keep both checkpoints: together they are the proof." };
        case "unproven": return { state: status("unk", "Not determined"), text: "The hashes that the log serves show neither that one tree contains the other, nor that it does not." };
    }
}
async function witnesses(opened) {
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
async function cells(opened, answer) {
    const wide = (...children) => h("td", { role: "cell", class: "full" }, children);
    const none = [cell("Size", true, "–"), cell("Cosigned", true, "–")];
    if (answer.state === "silent")
        return [wide(status("unk", "Not asked or not responding"), h("span", { class: "sub" }, answer.words)), ...none];
    if (answer.state === "nothing")
        return [wide(status("unk", "Serves no checkpoint of this log")), ...none];
    if (answer.state === "bad")
        return [wide(status("bad", "Its checkpoint does not verify"), h("span", { class: "sub" }, answer.words)), ...none];
    const comparison = await compareHeads(opened.read, answer.signed.head, opened.signed.head);
    const { state, text } = said(opened, comparison, answer.signed, opened.signed);
    return [wide(state, h("span", { class: "sub" }, text), comparison === "fork" ? saveBoth(opened, answer.signed) : null),
        cell("Size", true, grouped(answer.signed.head.size)), cell("Cosigned", true, ago(Number(answer.seconds) * 1000, Date.now()))];
}
function saveBoth({ signed }, theirs) {
    return h("div", { class: "acts sec-t" }, saveButton("Save this log's checkpoint", "checkpoint-here.txt", signed.note.note), saveButton("Save the other checkpoint", "checkpoint-there.txt", theirs.note.note));
}
async function second(opened, result) {
    const typed = field("url").value.trim();
    const url = URL.canParse(typed) ? new URL(typed.endsWith("/") ? typed : `${typed}/`) : null;
    if (url === null || !(url.protocol === "https:" || url.protocol === "http:"))
        return put(result, status("unk", "This is not the URL of a log."));
    const bytes = await readUrl(new URL("checkpoint", url), MAX_CHECKPOINT, "no-store");
    if (bytes === null)
        return put(result, status("unk", "There is no checkpoint at this address."));
    await compare(opened, new TextDecoder().decode(bytes), result, url);
}
async function pasted(opened, result) {
    const text = field("checkpoint").value.replace(/\r\n/g, "\n").trimStart();
    await compare(opened, text.endsWith("\n") ? text : `${text}\n`, result, null);
}
async function compare(opened, text, result, from) {
    let theirs;
    try {
        theirs = await opened.known.trust.open(text);
    }
    catch (error) {
        if (!(error instanceof VerifyError))
            throw error;
        return put(result, status("unk", "Not comparable"), h("p", { class: "s soft" }, `It is no checkpoint that this log's key signed: ${error.message}.`));
    }
    let comparison = await compareHeads(opened.read, theirs.head, opened.signed.head);
    if (comparison === "unproven" && from !== null)
        comparison = await compareHeads(readerOf(from), theirs.head, opened.signed.head);
    const { state, text: words } = said(opened, comparison, theirs, opened.signed);
    put(result, isContradicted(opened) ? status("bad", "This log contradicts itself, see above") : null, h("p", {}, state), h("p", { class: "s soft" }, `${count(theirs.head.size, "entry", "entries")}. ${words}`), comparison === "fork" ? saveBoth(opened, theirs) : null);
}
await main();
