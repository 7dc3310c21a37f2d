// Building pages: every text becomes a text node, so nothing that a log serves is ever read as markup.

const HTML = "http://www.w3.org/1999/xhtml";
const SVG = "http://www.w3.org/2000/svg";

/** What an element may hold. Null and false hold nothing. */
export type Child = Node | string | number | bigint | null | false | readonly Child[];
export type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/** How something is. */
export type Tone = "ok" | "bad" | "warn" | "unk" | "mute";
export type IconName = "ok" | "bad" | "warn" | "unk" | "none" | "info" | "wait" | "gone" | "held" | "brand" | "copy" | "search" | "file";

/** The icon beside the words of a tone. */
const ICON_OF: Readonly<Record<Tone, IconName>> = { ok: "ok", bad: "bad", warn: "warn", unk: "unk", mute: "none" };

/** An HTML element. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return fill(document.createElementNS(HTML, tag) as HTMLElementTagNameMap[K], attributes, children);
}

/** An SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(SVG, tag) as SVGElementTagNameMap[K], attributes, children);
}

function fill<T extends Element>(element: T, attributes: Attributes, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    // A text from a log must become neither a handler nor an address that runs.
    const isUnsafe = name.startsWith("on") || name === "style" || (name === "href" && !/^(?:#|\.{0,2}\/|https?:\/\/|blob:|[a-z0-9_-]+\.html|explorer\/)/.test(String(value)));
    if (isUnsafe) throw new Error(`the attribute ${name} is not allowed here`);
    element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces what an element holds. */
export function put(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  append(element, children);
}

/** The element of the page with this id. A page without it is a bug. */
export function at(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** The field of the page with this id. */
export function field(id: string): HTMLInputElement | HTMLTextAreaElement {
  return at(id) as HTMLInputElement | HTMLTextAreaElement;
}

/** An icon. The word beside it carries the meaning. */
export function icon(name: IconName): SVGElement {
  return svg("svg", { class: "ic", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/** A status: a word, a shape and a colour. */
export function status(tone: Tone, words: string): HTMLElement {
  const colour = tone === "unk" ? "mute" : tone;
  return h("span", { class: `st ${colour}` }, icon(ICON_OF[tone]), words);
}

/** A digest or a key: the ends are shown, the middle stays in the text; with a button that copies it. `what` names it: "the root hash". */
export function digest(value: string, what: string, ends: { head: number; tail: number } = { head: 8, tail: 8 }): HTMLElement {
  const { head, tail } = ends;
  const isShort = value.length <= head + tail + 2;
  const text = isShort ? [value] : [
    value.slice(0, head), h("span", { class: "dg-m" }, value.slice(head, value.length - tail)), value.slice(value.length - tail)];
  return h("span", { class: "dgc" }, h("code", { class: "dg print-full" }, text), copyButton(value, what));
}

/** A button that copies a value. */
export function copyButton(value: string, what: string): HTMLElement {
  const button = h("button", { class: "copy needs-js", type: "button", "aria-label": `Copy ${what}`, title: `Copy ${what}` }, icon("copy"));
  button.addEventListener("click", () => {
    // Without a secure context there is no clipboard; the value can still be selected.
    const copied = navigator.clipboard?.writeText(value) ?? Promise.reject(new Error("no clipboard"));
    copied.then(() => announce(`Copied ${what}`), () => announce(`Could not copy ${what}: select it instead`));
  });
  return button;
}

/** Reports something to screen readers, once. */
export function announce(words: string): void {
  let region = document.getElementById("announced");
  if (region === null) {
    region = h("p", { id: "announced", class: "vh", role: "status" });
    document.body.append(region);
  }
  region.textContent = words;
}

/** A note beside the text: what to know, and in which tone. */
export function note(tone: Tone, ...children: Child[]): HTMLElement {
  const colour = tone === "warn" || tone === "ok" ? ` ${tone}` : "";
  return h("div", { class: `note${colour}` }, icon(ICON_OF[tone]), h("span", {}, children));
}

/** What is wrong, at the top of a page. */
export function alarm(title: string, ...children: Child[]): HTMLElement {
  return h("div", { class: "alarm", role: "alert" }, h("h2", {}, icon("bad"), title), children);
}

/** A fact with its name, as a term and its description. */
export function fact(name: string, ...value: Child[]): Child {
  return [h("dt", {}, name), h("dd", {}, value)];
}

/** A cell of a table that folds on a narrow screen. */
export function cell(label: string, isNumber: boolean, ...children: Child[]): HTMLElement {
  return h("td", { role: "cell", class: isNumber ? "n" : "full", "data-l": label }, children);
}

/** A table that folds on a narrow screen; `numbers` are the columns that hold numbers. */
export function table(name: string, columns: readonly string[], numbers: readonly number[], rows: readonly HTMLElement[]): HTMLElement {
  const heads = columns.map((column, place) => h("th", { role: "columnheader", scope: "col", class: numbers.includes(place) ? "n" : null }, column));
  return h("table", { class: "tbl fold", role: "table", "aria-label": name },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), h("tbody", { role: "rowgroup" }, rows));
}

/** A row of such a table. */
export function row(head: Child, ...cells: HTMLElement[]): HTMLElement {
  return h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row", class: "full" }, head), cells);
}
