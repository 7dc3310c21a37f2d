// The disclosed fields of a record as rows: what each is about, where it stands in the record, and its value.

import type { JsonValue } from "@vouchlog/verify";
import { h, type Child } from "../src/dom.js";

/** What the groups of a record are about. */
const GROUPS: Readonly<Record<string, string>> = {
  time: "When", initiator: "Who began it", session: "Session of the initiator", authority: "On whose authority", workload: "Which identity executed it",
  credential: "Which credential", credentials: "Which credentials", grant: "Which grant", policy: "What the policy decided", approval: "Approval",
  override: "Override", data: "Which data", model: "Which model", input: "Input", output: "Output", tools: "Tool calls", outcome: "What happened",
  correlation: "Session and trace", custody: "Custody of the record", erasure: "Lawful erasure", session_seal: "Seal of the session",
  declared_loss: "Declared loss", disclosure: "Disclosure", finding: "Finding", hold: "Hold", heartbeat: "Heartbeat", configuration: "Configuration",
};

/** Rows of one record that are drawn. All of it was verified. */
const MAX_ROWS = 400;
const MAX_DEPTH = 12;
/** Characters of one value that are drawn. */
const MAX_VALUE = 4000;

interface Field { readonly path: string; readonly value: Child }

const STATES: Readonly<Record<string, readonly [words: string, className: string]>> = {
  not_applicable: ["not applicable", "faint"], redacted: ["left out by the gateway", "gone held"], erased: ["erased", "gone"],
};

/** A value that is a field of its own; null if it is a group. */
function leaf(value: JsonValue): Child | null {
  if (value === null) return h("span", { class: "faint" }, "not recorded");
  if (typeof value === "string") return cut(value === "" ? "(empty)" : value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) {
    if (value.length === 0) return h("span", { class: "faint" }, "none disclosed");
    return value.every((one) => typeof one !== "object" || one === null) ? cut(value.map(String).join(", ")) : null;
  }
  const names = Object.keys(value);
  const state = names.length === 1 ? value["$"] : undefined;
  if (typeof state === "string" && Object.hasOwn(STATES, state)) return h("span", { class: STATES[state]![1] }, STATES[state]![0]);
  return names.length === 0 ? h("span", { class: "faint" }, "nothing in it is disclosed") : null;
}

const cut = (text: string): string => (text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE)} … (${text.length} characters in all)`);

function* fieldsOf(value: JsonValue, path: string, depth: number): Generator<Field> {
  const own = leaf(value);
  if (own !== null) {
    yield { path, value: own };
  } else if (depth >= MAX_DEPTH) {
    yield { path, value: h("code", {}, cut(JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? String(one) : one)))) };
  } else {
    for (const [name, member] of Object.entries(value as { [name: string]: JsonValue })) {
      const at = Array.isArray(value) ? String(Number(name) + 1) : name;
      yield* fieldsOf(member, path === "" ? at : `${path}.${at}`, depth + 1);
    }
  }
}

/** A table of all disclosed fields. `name` is what a screen reader calls it. */
export function fieldsTable(disclosed: { readonly [name: string]: JsonValue }, name: string): HTMLElement {
  const rows: HTMLElement[] = [];
  let left = 0;
  for (const { path, value } of fieldsOf({ ...disclosed }, "", 0)) {
    if (path === "") continue;
    if (rows.length >= MAX_ROWS) {
      left++;
      continue;
    }
    const group = path.split(".")[0]!;
    rows.push(h("tr", { role: "row" },
      h("th", { role: "rowheader", scope: "row" }, Object.hasOwn(GROUPS, group) ? GROUPS[group]! : "Other", h("span", { class: "sub" }, h("code", {}, path))),
      h("td", { role: "cell", class: "full" }, value)));
  }
  if (rows.length === 0) return h("p", { class: "pad faint" }, "No field is disclosed.");
  return h("div", {},
    h("table", { class: "tbl fold", role: "table", "aria-label": name },
      h("thead", { role: "rowgroup", class: "vh" }, h("tr", { role: "row" }, h("th", { role: "columnheader", scope: "col" }, "Field"), h("th", { role: "columnheader", scope: "col" }, "Value"))),
      h("tbody", { role: "rowgroup" }, rows)),
    left === 0 ? null : h("p", { class: "pad s soft" }, `${left} more fields are verified and not drawn.`));
}
