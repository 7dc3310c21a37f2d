const HTML = "http://www.w3.org/1999/xhtml";
const SVG = "http://www.w3.org/2000/svg";
const ICON_OF = { ok: "ok", bad: "bad", warn: "warn", unk: "unk", mute: "none" };
export function h(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(HTML, tag), attributes, children);
}
export function svg(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}
function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === false)
            continue;
        const isUnsafe = name.startsWith("on") || name === "style" || (name === "href" && !/^(?:#|\.{0,2}\/|https?:\/\/|blob:|[a-z0-9_-]+\.html|explorer\/)/.test(String(value)));
        if (isUnsafe)
            throw new Error(`the attribute ${name} is not allowed here`);
        element.setAttribute(name, value === true ? "" : String(value));
    }
    append(element, children);
    return element;
}
function append(element, children) {
    for (const child of children) {
        if (child === null || child === false)
            continue;
        if (Array.isArray(child))
            append(element, child);
        else
            element.append(child instanceof Node ? child : String(child));
    }
}
export function put(element, ...children) {
    element.replaceChildren();
    append(element, children);
}
export function at(id) {
    const found = document.getElementById(id);
    if (found === null)
        throw new Error(`the page has no #${id}`);
    return found;
}
export function field(id) {
    return at(id);
}
export function icon(name) {
    return svg("svg", { class: "ic", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}
export function status(tone, words) {
    const colour = tone === "unk" ? "mute" : tone;
    return h("span", { class: `st ${colour}` }, icon(ICON_OF[tone]), words);
}
export function digest(value, what, ends = { head: 8, tail: 8 }) {
    const { head, tail } = ends;
    const isShort = value.length <= head + tail + 2;
    const text = isShort ? [value] : [
        value.slice(0, head), h("span", { class: "dg-m" }, value.slice(head, value.length - tail)), value.slice(value.length - tail)
    ];
    return h("span", { class: "dgc" }, h("code", { class: "dg print-full" }, text), copyButton(value, what));
}
export function copyButton(value, what) {
    const button = h("button", { class: "copy needs-js", type: "button", "aria-label": `Copy ${what}`, title: `Copy ${what}` }, icon("copy"));
    button.addEventListener("click", () => {
        const copied = navigator.clipboard?.writeText(value) ?? Promise.reject(new Error("no clipboard"));
        copied.then(() => announce(`Copied ${what}`), () => announce(`Could not copy ${what}: select it instead`));
    });
    return button;
}
export function announce(words) {
    let region = document.getElementById("announced");
    if (region === null) {
        region = h("p", { id: "announced", class: "vh", role: "status" });
        document.body.append(region);
    }
    region.textContent = words;
}
export function note(tone, ...children) {
    const colour = tone === "warn" || tone === "ok" ? ` ${tone}` : "";
    return h("div", { class: `note${colour}` }, icon(ICON_OF[tone]), h("span", {}, children));
}
export function alarm(title, ...children) {
    return h("div", { class: "alarm", role: "alert" }, h("h2", {}, icon("bad"), title), children);
}
export function fact(name, ...value) {
    return [h("dt", {}, name), h("dd", {}, value)];
}
export function cell(label, isNumber, ...children) {
    return h("td", { role: "cell", class: isNumber ? "n" : "full", "data-l": label }, children);
}
export function table(name, columns, numbers, rows) {
    const heads = columns.map((column, place) => h("th", { role: "columnheader", scope: "col", class: numbers.includes(place) ? "n" : null }, column));
    return h("table", { class: "tbl fold", role: "table", "aria-label": name }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), h("tbody", { role: "rowgroup" }, rows));
}
export function row(head, ...cells) {
    return h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row", class: "full" }, head), cells);
}
