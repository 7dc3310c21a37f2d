// The inclusion path of an entry, recomputed step by step and drawn.

import { encodeHex, nodeHash, type PathStep, type ProvenEntry, type TreeHead } from "@vouchlog/verify";
import { digest, h, svg, type Child } from "./dom.js";
import type { Known } from "./trust.js";
import { count, grouped } from "./words.js";

/** A step: the sibling, on which side it is, and the hash that both give. */
export interface Step extends PathStep { readonly isLeft: boolean; readonly result: Uint8Array }

/** Recomputes the path from the leaf. Which side a sibling is on follows from the leaves that it covers. */
export function recompute({ index, leaf, path }: ProvenEntry): Step[] {
  let hash: Uint8Array = leaf;
  return path.map((step) => {
    const isLeft = step.from < index;
    const result = isLeft ? nodeHash(step.hash, hash) : nodeHash(hash, step.hash);
    hash = result;
    return { ...step, isLeft, result };
  });
}

const range = ({ from, to }: PathStep): string => (to - from === 1n ? grouped(from) : `${grouped(from)} to ${grouped(to - 1n)}`);

/** The list of steps. It ends in the root, which must be the one that was signed. */
export function walk(entry: ProvenEntry, head: TreeHead, known: Known): HTMLElement {
  const steps = recompute(entry);
  const root = steps.length === 0 ? entry.leaf : steps[steps.length - 1]!.result;
  // The prover verified the path; this compares what is drawn with what was signed.
  if (encodeHex(root) !== encodeHex(head.root)) throw new Error("the steps do not lead to the signed root");
  return h("ol", { class: "walk" },
    h("li", {}, h("span", { class: "lv" }, 0), svg("svg", { viewBox: "0 0 38 28", "aria-hidden": "true" }, svg("path", { class: "gr", d: "M19 14v14" }), svg("rect", { class: "leafbox", x: 14, y: 9, width: 10, height: 10, rx: 2.5 })),
      h("span", { class: "nw" }, digest(encodeHex(entry.leaf), "the leaf hash")), h("span", { class: "rng soft" }, `leaf, entry ${grouped(entry.index)}`)),
    steps.map((step, place) => stepOf(step, place + 1)),
    h("li", { class: "last" }, h("span", { class: "lv" }), svg("svg", { viewBox: "0 0 38 28", "aria-hidden": "true" }, svg("path", { class: "gr", d: "M19 0v12" }), svg("circle", { class: "gdot", cx: 19, cy: 14, r: 5 })),
      h("span", { class: "nw" }, digest(encodeHex(root), "the root hash")), known.affirm("Equals the signed root")));
}

function stepOf(step: Step, level: number): HTMLElement {
  const side = step.isLeft ? "left" : "right";
  const x = step.isLeft ? 5 : 33;
  const drawn = svg("svg", { viewBox: "0 0 38 28", "aria-hidden": "true" },
    svg("path", { class: "gr", d: "M19 0v28" }), svg("path", { class: "gs", d: `M${x} 14Q${step.isLeft ? 12 : 26} 14 19 3` }),
    svg("circle", { class: "gd", cx: 19, cy: 3, r: 3 }), svg("rect", { class: "gq", x: x - 4, y: 10, width: 8, height: 8, rx: 2 }));
  return h("li", {}, h("span", { class: "lv" }, level), drawn,
    h("span", { class: "nw" }, h("span", { class: "vh" }, `${side} sibling `), digest(encodeHex(step.hash), `sibling hash ${level}`)),
    h("span", { class: "rng soft nw" }, `${side}: ${range(step)}`));
}

/** Levels of the tree that the overview draws. */
const DRAWN = 6;

/** An overview: the path from the root, with the other half at each step. */
export function tree(entry: ProvenEntry, size: bigint): SVGElement {
  const fromRoot = [...recompute(entry)].reverse();
  const drawn = fromRoot.slice(0, DRAWN);
  const lines: Child[] = [];
  const marks: Child[] = [];
  let [x, y] = [216, 18];
  let spread = 96;
  for (const step of drawn) {
    // The path goes to the side on which the sibling is not.
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
  return svg("svg", { class: "tree", viewBox: `0 0 432 ${y + 32}`, role: "img", "aria-labelledby": "tree-title tree-text" },
    svg("title", { id: "tree-title" }, "Where the entry is in the tree"),
    svg("desc", { id: "tree-text" }, `The path from the root over ${count(size, "entry", "entries")} to entry ${grouped(entry.index)}: ${count(fromRoot.length, "step")}. At each step the hash of the other half is given.`),
    lines, marks, svg("rect", { class: "leafbox", x: x - 7, y: y, width: 14, height: 14, rx: 3 }),
    svg("text", { class: "on", x: 230, y: 16 }, `Root, ${count(size, "entry", "entries")}`),
    svg("text", { class: "on", x: toLeft ? x - 14 : x + 14, y: y + 12, "text-anchor": toLeft ? "end" : "start" }, `Entry ${grouped(entry.index)}`));
}
