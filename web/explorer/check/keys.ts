// The keys and the policy that a reader trusts. None is ever taken from a file that is being checked.

import { ml_dsa44 } from "@vouchlog/ml-dsa";
import { Trust, VerifyError } from "@vouchlog/verify";
import { at, digest, fact, field, h, note, put, status, type Child } from "../src/dom.js";
import { parseKept, recall } from "../src/trust.js";

/** Whether the reader stands behind the keys. */
export type Source = "reader" | "file";

/** What is checked with. */
export interface Keys { readonly vkey: string; readonly policy: string; readonly gateways: string; readonly source: Source }

/** Keys that can be used, or why they cannot. */
export interface Known { readonly trust: Trust | null; readonly source: Source; readonly problem: string | null }

/** The keys that the reader confirmed on the other pages of a log; null if there are none. */
export function keptKeys(root: URL): Keys | null {
  const kept = parseKept(recall(root, "key"));
  return kept?.isConfirmed ? { vkey: kept.vkey, policy: kept.policy ?? "", gateways: "", source: "reader" } : null;
}

const lines = (text: string): string[] => text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");

/** The trust in these keys. */
export function knownOf({ vkey, policy, gateways, source }: Keys): Known {
  if (vkey.trim() === "") return { trust: null, source, problem: null };
  try {
    const text = policy.trim() === "" ? {} : { policy: `${policy.replace(/\r\n/g, "\n").trimEnd()}\n` };
    return { trust: new Trust({ logVkey: vkey.trim(), gatewayVkeys: lines(gateways), mlDsa44: ml_dsa44, ...text }), source, problem: null };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return { trust: null, source, problem: error.message };
  }
}

function input(id: string, label: string, element: HTMLElement, hint: string): Child {
  return h("div", {}, h("label", { for: id, class: "s b" }, label), element, hint === "" ? null : h("p", { class: "s soft", id: `${id}-hint` }, hint));
}

/** Draws the panel. `given` are keys that came with the file, if any; `onChange` is called with those to check with. */
export function showKeys(given: Keys | null, onChange: (known: Known) => void): void {
  const failed = h("p", { class: "s bad", role: "alert" });
  const state = h("div", { class: "stack", id: "trusted" });
  const form = h("form", { class: "panel pad stack needs-js", id: "key-form" },
    input("vkey", "The log’s public key (vkey)", h("input", { id: "vkey", spellcheck: "false", autocomplete: "off", "aria-describedby": "vkey-hint" }), "Get it from someone other than the sender of the file: an auditor, a witness, a customer of the log."),
    input("policy", "Witness policy (C2SP tlog-policy), if you have one", h("textarea", { id: "policy", rows: 4, spellcheck: "false", "aria-describedby": "policy-hint" }), "Without a policy, a log that shows different histories to different readers goes unnoticed."),
    input("gateways", "Public keys of gateways that you know, one a line; optional", h("textarea", { id: "gateways", rows: 2, spellcheck: "false", "aria-describedby": "gateways-hint" }), "Without them, whose key a gateway’s name belongs to is the word of the log’s operator."),
    failed, h("div", { class: "acts" }, h("button", { class: "btn main-act", type: "submit" }, given?.source === "file" ? "I have compared them: use these keys" : "Use these keys")));
  const use = (keys: Keys): void => {
    const known = knownOf(keys);
    put(failed, known.problem === null ? "" : `These cannot be used: ${known.problem}.`);
    put(state, stateOf(known, keys));
    onChange(known);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use({ vkey: field("vkey").value, policy: field("policy").value, gateways: field("gateways").value, source: "reader" });
  });
  put(at("keys"), h("div", { class: "grid g2" }, form, state));
  if (given !== null) {
    field("vkey").value = given.vkey;
    field("policy").value = given.policy;
    field("gateways").value = given.gateways;
  }
  use(given ?? { vkey: "", policy: "", gateways: "", source: "reader" });
}

function stateOf({ trust, source }: Known, { vkey }: Keys): Child {
  if (trust === null) return note("warn", h("b", {}, "No key yet."), " Nothing is checked without the log’s public key. What a file is can be shown; whether it holds cannot.");
  const { policy, gateways } = trust;
  const isReaders = source === "reader";
  return [
    h("div", { class: "panel pad" }, h("dl", { class: "kv" },
      fact("Log", trust.origin), fact("Public key", digest(vkey.trim(), "the log’s public key", { head: Math.min(48, trust.origin.length + 9), tail: 6 })),
      fact("Given by", isReaders ? status("ok", "You") : status("warn", "The maker of this file")),
      fact("Witnesses", policy === null ? "no policy" : policy.isQuorumNone ? "the policy asks for none" : `${policy.witnesses.map(({ name }) => name).join(", ")}; the quorum is the policy’s`),
      fact("Gateways", gateways.length === 0 ? "any that the log’s operator admitted" : gateways.map(({ name }) => name).join(", ")))),
    isReaders ? null : note("warn", h("b", {}, "These keys were given by the maker of this file: compare with your own source."),
      " A forger would enter keys of their own here. Until you confirm them or enter others, everything below holds only if these keys are the right ones."),
  ];
}
