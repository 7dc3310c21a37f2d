// The texts of the rules that records are judged by, as the maker of a court file put them there.

import { h } from "../src/dom.js";
import type { Court } from "./court.js";

export function rulesSection(rules: Court["rules"]): HTMLElement | null {
  if (rules.length === 0) return null;
  const items = rules.map(({ code, title, text }) =>
    h("details", { class: "rec", id: `rule-${code}` }, h("summary", {}, h("h3", {}, `${code} ${title}`)), h("p", { class: "pad" }, text)));
  return h("section", { "aria-labelledby": "h-rules" }, h("div", { class: "sec-h" }, h("h2", { id: "h-rules" }, "The rules"),
    h("p", {}, "As the maker of this file put them here. This page does not check whether the records keep them; vouchlog verify does.")), items);
}
