// Charts: SVG without a view box, x in per cent, so that text never scales and no script measures anything.

import { svg, type Child } from "./dom.js";
import type { Mark } from "./survey.js";
import { count, day, grouped } from "./words.js";

const HEIGHT = 160;
const WIDTH = 1000;

/** How the log grew: entries over time. Null if there are too few points to draw a line through. */
export function growthChart(points: readonly Mark[]): SVGElement | null {
  const sorted = [...points].sort((one, other) => one.index - other.index);
  const [first, last] = [sorted[0], sorted[sorted.length - 1]];
  if (first === undefined || last === undefined || last.time <= first.time || last.index <= first.index) return null;
  const x = ({ time }: Mark): number => ((time - first.time) / (last.time - first.time)) * WIDTH;
  const y = ({ index }: Mark): number => HEIGHT - (index / last.index) * (HEIGHT - 4);
  // Times of a log that goes back would draw a line to the left; the audit reports those.
  const line = sorted.map((point) => `${Math.min(Math.max(x(point), 0), WIDTH).toFixed(1)},${y(point).toFixed(1)}`);
  const axes = [8, 61, 115, 168].map((at) => svg("line", { class: "ax", x1: 0, x2: "100%", y1: at, y2: at }));
  const level = (part: number, at: number): Child => svg("text", { x: 0, y: at - 4 }, grouped(Math.round(last.index * part)));
  return svg("svg", { class: "chart", height: 196, role: "img", "aria-labelledby": "growth-title" },
    svg("title", { id: "growth-title" }, `Entries from ${day(first.time)} to ${day(last.time)}: from ${grouped(first.index)} to ${count(last.index + 1, "entry", "entries")}`),
    axes,
    svg("svg", { x: 0, y: 8, width: "100%", height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" },
      svg("path", { class: "area", d: `M0,${HEIGHT} L${line.join(" L")} L${WIDTH},${HEIGHT}Z` }),
      svg("polyline", { class: "curve", points: line.join(" ") })),
    level(1 / 3, 115), level(2 / 3, 61),
    svg("text", { x: 0, y: 190 }, label(first.time, last.time - first.time)),
    svg("text", { x: "100%", y: 190, "text-anchor": "end" }, label(last.time, last.time - first.time)));
}

/** A day, or a time where the whole span is a day or less. */
export function label(time: number, span: number): string {
  const text = new Date(time).toISOString();
  return span > 48 * 3600 * 1000 ? text.slice(0, 10) : text.slice(11, 19);
}
