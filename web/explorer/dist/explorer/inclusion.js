import { encodeHex, nodeHash } from "./verify/index.js";
import { digest, h, svg } from "./dom.js";
import { count, grouped } from "./words.js";
export function recompute({ index, leaf, path }) {
    let hash = leaf;
    return path.map((step) => {
        const isLeft = step.from < index;
        const result = isLeft ? nodeHash(step.hash, hash) : nodeHash(hash, step.hash);
        hash = result;
        return { ...step, isLeft, result };
    });
}
const range = ({ from, to }) => (to - from === 1n ? grouped(from) : `${grouped(from)} to ${grouped(to - 1n)}`);
export function walk(entry, head, known) {
    const steps = recompute(entry);
    const root = steps.length === 0 ? entry.leaf : steps[steps.length - 1].result;
    if (encodeHex(root) !== encodeHex(head.root))
        throw new Error("the steps do not lead to the signed root");
    return h("ol", { class: "walk" }, h("li", {}, h("span", { class: "lv" }, 0), svg("svg", { viewBox: "0 0 38 28", "aria-hidden": "true" }, svg("path", { class: "gr", d: "M19 14v14" }), svg("rect", { class: "leafbox", x: 14, y: 9, width: 10, height: 10, rx: 2.5 })), h("span", { class: "nw" }, digest(encodeHex(entry.leaf), "the leaf hash")), h("span", { class: "rng soft" }, `leaf, entry ${grouped(entry.index)}`)), steps.map((step, place) => stepOf(step, place + 1)), h("li", { class: "last" }, h("span", { class: "lv" }), svg("svg", { viewBox: "0 0 38 28", "aria-hidden": "true" }, svg("path", { class: "gr", d: "M19 0v12" }), svg("circle", { class: "gdot", cx: 19, cy: 14, r: 5 })), h("span", { class: "nw" }, digest(encodeHex(root), "the root hash")), known.affirm("Equals the signed root")));
}
function stepOf(step, level) {
    const side = step.isLeft ? "left" : "right";
    const x = step.isLeft ? 5 : 33;
    const drawn = svg("svg", { viewBox: "0 0 38 28", "aria-hidden": "true" }, svg("path", { class: "gr", d: "M19 0v28" }), svg("path", { class: "gs", d: `M${x} 14Q${step.isLeft ? 12 : 26} 14 19 3` }), svg("circle", { class: "gd", cx: 19, cy: 3, r: 3 }), svg("rect", { class: "gq", x: x - 4, y: 10, width: 8, height: 8, rx: 2 }));
    return h("li", {}, h("span", { class: "lv" }, level), drawn, h("span", { class: "nw" }, h("span", { class: "vh" }, `${side} sibling `), digest(encodeHex(step.hash), `sibling hash ${level}`)), h("span", { class: "rng soft nw" }, `${side}: ${range(step)}`));
}
const DRAWN = 6;
export function tree(entry, size) {
    const fromRoot = [...recompute(entry)].reverse();
    const drawn = fromRoot.slice(0, DRAWN);
    const lines = [];
    const marks = [];
    let [x, y] = [216, 18];
    let spread = 96;
    for (const step of drawn) {
        const away = step.isLeft ? -spread : spread;
        const [next, sibling] = [x - away, x + away];
        lines.push(svg("path", { class: "gs2", d: `M${x} ${y}L${sibling} ${y + 33}` }), svg("path", { class: "path", d: `M${x} ${y}L${next} ${y + 42}` }));
        marks.push(svg("path", { class: "sib", d: `M${sibling} ${y + 33}l${spread / 2} 22h-${spread}z` }), svg("circle", { class: y === 18 ? "pn end" : "pn", cx: x, cy: y, r: y === 18 ? 5 : 4 }));
        [x, y, spread] = [next, y + 42, Math.max(spread * 0.62, 12)];
    }
    const more = fromRoot.length - drawn.length;
    if (more > 0) {
        lines.push(svg("path", { class: "path", "stroke-dasharray": "2 4", d: `M${x} ${y}V${y + 44}` }));
        marks.push(svg("circle", { class: "pn", cx: x, cy: y, r: 4 }), svg("text", { x: x + 12, y: y + 26 }, count(more, "more level")));
        y += 44;
    }
    const toLeft = x > 216;
    return svg("svg", { class: "tree", viewBox: `0 0 432 ${y + 32}`, role: "img", "aria-labelledby": "tree-title tree-text" }, svg("title", { id: "tree-title" }, "Where the entry is in the tree"), svg("desc", { id: "tree-text" }, `The path from the root over ${count(size, "entry", "entries")} to entry ${grouped(entry.index)}: ${count(fromRoot.length, "step")}. At each step the hash of the other half is given.`), lines, marks, svg("rect", { class: "leafbox", x: x - 7, y: y, width: 14, height: 14, rx: 3 }), svg("text", { class: "on", x: 230, y: 16 }, `Root, ${count(size, "entry", "entries")}`), svg("text", { class: "on", x: toLeft ? x - 14 : x + 14, y: y + 12, "text-anchor": toLeft ? "end" : "start" }, `Entry ${grouped(entry.index)}`));
}
