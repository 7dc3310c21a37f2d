import { h, status, svg } from "./dom.js";
import { streamState } from "./gateways.js";
import { label } from "./charts.js";
import { count, grouped, moment } from "./words.js";
const LISTED = 20;
const per = (time, { from, to }) => (to <= from ? 0 : Math.min(Math.max(((time - from) / (to - from)) * 100, 0), 100));
const percent = (value) => `${value.toFixed(2)}%`;
const isIn = (time, { from, to }) => time >= from && time <= to;
export function legend() {
    const item = (words, ...drawn) => h("li", {}, svg("svg", { "aria-hidden": "true" }, drawn), words);
    return h("ul", { class: "legend", "aria-label": "Legend" }, item("Run of statements", svg("rect", { class: "run now", width: 24, height: 10, y: 1, rx: 2 })), item("Heartbeat (signed head)", [2, 9, 16].map((x) => svg("rect", { class: "beat", x, y: 3, width: 1.5, height: 6 }))), item("Successor stream", svg("path", { class: "beat", d: "M8 1h8l-4 5z" }), svg("path", { class: "ax2", d: "M12 6v6" })), item("Declared loss", svg("rect", { width: 22, height: 10, x: 1, y: 1, class: "v-warn" })), item("Gap", svg("rect", { width: 22, height: 10, x: 1, y: 1, class: "v-bad" })), item("Key revoked", svg("path", { class: "cut-line", d: "M12 0v12" })));
}
export function lanes(gateways, revoked, span, context) {
    return h("div", { class: "panel sec-t" }, h("div", { class: "lanes" }, h("div", { class: "hd" }, "Gateway"), h("div", { class: "hd plot" }, svg("svg", { class: "chart", height: 16, "aria-hidden": "true" }, svg("text", { x: 0, y: 12 }, label(span.from, span.to - span.from)), svg("text", { x: "100%", y: 12, "text-anchor": "end" }, label(span.to, span.to - span.from)))), h("div", { class: "hd" }, "Streams"), gateways.map((gateway) => [
        h("div", { class: "gw" }, gateway.name, h("small", {}, `${count(gateway.streams.length, "stream")} · ${count(gateway.statements, "statement")}`)),
        h("div", { class: "plot" }, lane(gateway, revoked.filter(({ gateway: name }) => name === gateway.name), span, context.onProve)),
        h("div", { class: "q-col" }, gateway.streams.slice(-LISTED).map((stream) => streamItem(stream, context)), gateway.streams.length > LISTED ? h("p", { class: "soft" }, `and ${count(gateway.streams.length - LISTED, "older stream")}`) : null),
    ])));
}
function streamItem(stream, { known, onProve }) {
    const { tone, words } = streamState(stream);
    const id = stream.report.stream;
    const button = h("button", { class: "btn small", type: "button", "aria-label": `Prove complete: stream ${id}` }, "Prove complete");
    button.addEventListener("click", () => onProve(id));
    return h("div", { id: `stream-${id}`, class: "sec-t2" }, h("p", {}, h("a", { href: `entry.html?q=${id}` }, grouped(id)), " ", status(known.tone(tone), words)), button);
}
function lane(gateway, revoked, span, onProve) {
    const isRevoked = gateway.streams.some(({ report }) => report.isRevoked);
    const cuts = isRevoked ? revoked.filter(({ time }) => isIn(time, span)).map(({ time }) => svg("line", { class: "cut-line", x1: percent(per(time, span)), x2: percent(per(time, span)), y1: 4, y2: 38 })) : [];
    return svg("svg", { class: "chart", height: 42, role: "group", "aria-label": `${gateway.name}: ${gateway.streams.map(streamWords).join("; ")}` }, svg("line", { class: "ax", x1: 0, x2: "100%", y1: 20, y2: 20 }), gateway.streams.map((stream, place) => {
        const link = svg("a", { href: `#stream-${stream.report.stream}`, "aria-label": `${streamWords(stream)}. Prove that nothing is missing` }, marks(stream, span, place === gateway.streams.length - 1));
        link.addEventListener("click", (event) => {
            event.preventDefault();
            onProve(stream.report.stream);
        });
        return link;
    }), cuts);
}
function streamWords(stream) {
    const { report, seen } = stream;
    const when = seen === null ? "" : `, ${moment(seen.opened.time)} to ${moment(seen.last.time)}`;
    return `stream ${report.stream}: ${streamState(stream).words}, ${count(report.statements, "statement")}${when}`;
}
function marks(stream, span, isNewest) {
    const { seen, report } = stream;
    if (seen === null)
        return null;
    const box = (from, to, attributes) => {
        if (to < span.from || from > span.to)
            return null;
        const [x, end] = [per(from, span), per(to, span)];
        return svg("rect", { x: percent(x), width: percent(Math.max(end - x, 0.3)), ...attributes });
    };
    const gap = !report.isComplete || stream.findings.some(({ kind }) => kind !== "silent-stream");
    return [
        svg("title", {}, streamWords(stream)),
        box(seen.opened.time, seen.last.time, { y: 4, height: 34, fill: "transparent" }),
        seen.runs.map(({ from, to }) => box(from, to, { class: isNewest ? "run now" : "run", y: 14, height: 12, rx: 2 })),
        seen.heads.filter(({ time }) => isIn(time, span)).map(({ time }) => svg("rect", { class: "beat", x: percent(per(time, span)), y: 30, width: 1, height: 4 })),
        seen.losses.map(({ time }) => box(time, time + (span.to - span.from) / 120, { class: "v-warn", y: 10, height: 20 })),
        gap ? box(seen.last.time - (span.to - span.from) / 60, seen.last.time, { class: "v-bad", y: 6, height: 28 }) : null,
        report.succeededBy !== null && isIn(seen.last.time, span)
            ? svg("svg", { x: percent(per(seen.last.time, span)), y: 0, overflow: "visible" }, svg("path", { d: "M-4 0h8l-4 5z", class: "beat" }), svg("path", { class: "ax2", d: "M0 6v32" })) : null,
    ];
}
