import { VerifyError } from "./verify/index.js";
import { audit, tilesFor } from "./auditing.js";
import { alarm, announce, at, fact, h, note, put, status, svg } from "./dom.js";
import { proveComplete } from "./complete.js";
import { saveButton } from "./files.js";
import { gatewaysOf } from "./gateways.js";
import { lanes, legend } from "./lanes.js";
import { isContradicted, open } from "./page.js";
import { count, dayRange, grouped, moment } from "./words.js";
const READ_AT_ONCE = 100000n;
const DAY = 24 * 3600 * 1000;
const WEEK = 7 * DAY;
const WEEKS = 8;
async function main() {
    const opened = await open();
    if (opened === null)
        return;
    const { size } = opened.signed.head;
    if (size <= READ_AT_ONCE)
        return run(opened);
    const button = h("button", { class: "btn main-act", type: "button" }, `Read ${count(size, "entry", "entries")}`);
    button.addEventListener("click", () => {
        button.remove();
        void run(opened);
    });
    put(at("lanes"), note("mute", "The streams are in the log's entries. To draw them, this page reads and checks all of them."), h("div", { class: "acts sec-t" }, button));
}
async function run(opened) {
    at("progress").hidden = false;
    try {
        const audited = await audit(opened, [], tilesFor(opened), (done, total) => {
            at("bar").value = done / total;
            put(at("progress-words"), `${grouped(done)} of ${count(total, "entry", "entries")} checked`);
        }).done;
        show(opened, audited);
    }
    catch (error) {
        put(at("lanes"), note("warn", h("b", {}, "The streams could not be read."), ` ${error instanceof Error ? error.message : ""}. Nothing follows from that about the log.`));
    }
    at("progress").hidden = true;
}
function show(opened, audited) {
    const { report, survey } = audited;
    const gateways = gatewaysOf(report, survey);
    const { first, last } = survey;
    if (!report.isVouchlog || gateways.length === 0 || first === null || last === null) {
        put(at("lanes"), note("mute", report.isVouchlog ? "No gateway has opened a stream in this log." : "The entries of this log are opaque bytes: there are no streams that could be read."));
        return;
    }
    const span = spanOf(first, last);
    put(at("acts"), spans());
    put(at("lede"), `One lane for each gateway, ${dayRange(span.from, span.to)} by the log's clock. Each gateway numbers and signs its own statements, so a missing number shows.`);
    const context = { known: opened.known, onProve: (stream) => void prove(opened, audited, stream) };
    put(at("lanes"), legend(), lanes(gateways, survey.revoked, span, context));
    put(at("wrong"), wrong(gateways));
    put(at("quality"), quality(gateways, last));
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
}
function spanOf(first, last) {
    const days = Number(new URLSearchParams(location.search).get("days"));
    return { from: Number.isInteger(days) && days > 0 ? Math.max(first, last - days * DAY) : first, to: last };
}
function spans() {
    const chosen = new URLSearchParams(location.search).get("days") ?? "";
    return [["30", "30 days"], ["90", "90 days"], ["", "All"]].map(([days, words]) => h("a", { class: "btn", href: days === "" ? "streams.html" : `streams.html?days=${days}`, "aria-current": days === chosen ? "true" : null }, words));
}
function wrong(gateways) {
    const panels = gateways.flatMap(({ name, streams }) => streams.flatMap(({ report, seen, findings }) => [
        ...findings.map((finding) => h("div", { class: "panel" }, h("header", {}, h("h2", {}, finding.kind === "silent-stream" ? "Silent" : finding.kind === "stream-gap" ? "Gap" : "Contradiction"), status(finding.severity === "warning" ? "warn" : "bad", finding.severity), h("span", { class: "code r" }, `${finding.kind} · ${finding.rule}`)), h("div", { class: "pad" }, h("p", {}, `${name}: ${finding.words}.`), finding.place.entry === undefined ? null : h("p", { class: "s soft" }, "Entry ", h("a", { href: `entry.html?q=${finding.place.entry}` }, grouped(finding.place.entry)))))),
        ...(seen?.losses ?? []).map(({ time, index, sequence }) => h("div", { class: "panel" }, h("header", {}, h("h2", {}, "Declared loss"), status("warn", "Declared"), h("span", { class: "code r" }, `entry ${grouped(index)}`)), h("div", { class: "pad" }, h("p", {}, `${name} declared, as statement ${grouped(sequence)} of stream ${grouped(report.stream)}, that records were lost.`), h("dl", { class: "kv" }, fact("Logged", `${moment(time)}, by the log's clock`), fact("Entry", h("a", { href: `entry.html?q=${index}` }, grouped(index))), fact("Numbering", "No number is missing: the loss has a statement of its own."))))),
    ]));
    return panels.length === 0 ? null : h("section", { class: "grid g2", "aria-label": "What is wrong" }, panels);
}
function quality(gateways, last) {
    const newest = Math.floor(last / WEEK);
    const shown = gateways.filter(({ interactions }) => interactions > 0);
    if (shown.length === 0)
        return null;
    return h("section", { "aria-labelledby": "h-q" }, h("div", { class: "sec-h" }, h("h2", { id: "h-q" }, "Evidence quality by week"), h("p", {}, `Share of interactions that the gateway claims are attributable, from the public bitmaps. ${WEEKS} weeks.`)), h("div", { class: "panel pad" }, h("div", { class: "grid g3" }, shown.map((gateway) => weeksOf(gateway, newest)))));
}
function weeksOf({ name, streams, interactions, attributable }, newest) {
    const shares = Array.from({ length: WEEKS }, (_, place) => {
        const week = newest - WEEKS + 1 + place;
        const counted = streams.flatMap(({ seen }) => seen?.weeks.get(week) ?? []);
        const all = counted.reduce((sum, one) => sum + one.interactions, 0);
        return all === 0 ? null : counted.reduce((sum, one) => sum + one.attributable, 0) / all;
    });
    const words = shares.map((share) => (share === null ? "none" : `${Math.floor(share * 100)} %`));
    const width = 100 / WEEKS;
    return h("div", {}, h("p", { class: "s b" }, name, " ", h("span", { class: "soft num" }, `${Math.floor((100 * attributable) / interactions)} % of ${grouped(interactions)}`)), svg("svg", { class: "chart", height: 40, role: "img", "aria-label": `${name}: attributable share by week: ${words.join(", ")}` }, svg("line", { class: "ax", x1: 0, x2: "100%", y1: 39.5, y2: 39.5 }), shares.map((share, place) => (share === null ? null : svg("rect", { class: "b-ink", x: `${place * width}%`, width: `${width * 0.9}%`, y: 40 - Math.max(share * 40, 1), height: Math.max(share * 40, 1) })))), h("p", { class: "s soft" }, `By week: ${words.join(", ")}`));
}
const checksOf = (checks) => h("ol", { class: "checks run" }, checks.map(({ what, how, state, isFailed }) => h("li", { class: isFailed ? "failed" : null }, h("div", {}, h("b", {}, what), h("p", {}, how)), state)));
async function prove(opened, { report, survey }, stream) {
    const region = at("complete");
    const head = h("div", { class: "sec-h" }, h("h2", {}, `Prove that nothing of stream ${grouped(stream)} is missing`));
    const working = h("p", { class: "pad s", role: "status" }, "Reading");
    put(region, head, h("div", { class: "panel" }, working));
    region.scrollIntoView({ block: "nearest" });
    try {
        const { shown, file } = await proveComplete(opened, survey, stream, (words) => put(working, words));
        const proven = shown.streams[0];
        const audited = report.streams.find((one) => one.stream === stream)?.statements ?? -1;
        if (proven.signed + proven.pending !== BigInt(audited)) {
            throw new VerifyError("incomplete", `the file has ${proven.signed + proven.pending} statements, the audit counted ${audited}`);
        }
        const signed = isContradicted(opened) ? status("bad", "The log contradicts itself") : opened.known.affirm("Verified");
        put(region, head, h("div", { class: "panel" }, checksOf(passed(opened, proven, signed)), h("div", { class: "pager" }, h("span", {}, `${proven.gateway.name}, stream ${grouped(stream)}, checked in this browser`), saveButton("Save completeness file", `stream-${stream}.completeness.json`, file))));
        announce(`Stream ${stream} is complete up to its newest signed head`);
    }
    catch (error) {
        if (!(error instanceof VerifyError))
            throw error;
        const isUnchecked = error.reason === "unreadable" || error.reason === "too-large" || error.reason === "no-entry";
        const content = h("p", { class: "sec-t" }, `${error.message}. `, h("span", { class: "code" }, error.reason));
        put(region, head, isUnchecked ? note("warn", h("b", {}, "Not checked."), " ", content) : alarm("The stream is not shown to be complete", content));
        announce(`Stream ${stream} is not shown to be complete`);
    }
}
function passed({ known, signed, cosigned }, { gateway, signed: statements, pending, heads, newestHead, closed, declaredLosses }, verified) {
    const again = () => verified.cloneNode(true);
    const { policy } = known.trust;
    const newest = newestHead === null ? "No head was signed" : `Newest head: ${count(statements, "statement")}, signed ${moment(Number(newestHead) * 1000)} by the gateway's clock`;
    return [
        { what: "The log signed the checkpoint", how: `${count(signed.head.size, "entry", "entries")}${policy === null ? "; no policy, so no cosignature was asked for" : `; cosigned by ${cosigned.by.join(", ")}`}`, state: again() },
        { what: "The gateway's key was enrolled before it opened the stream", how: gateway.name, state: again() },
        { what: statements === 0n ? "The stream has no signed statement" : `Statements 0 to ${grouped(statements - 1n)} follow one another`, how: "No number is missing, none occurs twice, and each entry is in the tree", state: again() },
        { what: "They lead to the root that the gateway signed", how: `${newest}; ${count(heads, "head")}`, state: heads > 0 ? again() : status("unk", "Not determined") },
        ...(pending > 0n ? [{ what: `${count(pending, "statement")} after that`, how: "No signed head covers them yet", state: status("unk", "Not covered yet") }] : []),
        ...(declaredLosses.length > 0 ? [{ what: "Declared losses", how: `The gateway itself declares ${count(declaredLosses.length, "loss", "losses")}`, state: status("warn", "Declared") }] : []),
        { what: closed ? "The stream is closed" : "The stream is not closed", how: closed ? "Nothing follows" : "More may follow after this checkpoint", state: status("mute", closed ? "Closed" : "Open") },
    ];
}
await main();
