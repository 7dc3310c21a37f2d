// The panel in which a reader sees, enters and confirms the key of the log.

import { VerifyError } from "@vouchlog/verify";
import { alarm, at, digest, field, h, note, put, status, type Child } from "./dom.js";
import { logUrl } from "./log.js";
import { fingerprintOf, keep, makeTrust, remember, type Known, type Source, type Start } from "./trust.js";
import { count } from "./words.js";

const FROM: Readonly<Record<Source, string>> = {
  you: "entered by you",
  link: "brought by the link that you followed",
  log: "taken from the log itself",
};

/** Draws the key beside the page's title, what there is to warn of into `#key`, and the form into `#key-more`. */
export function showKey(start: Start): void {
  const { known } = start;
  put(at("where"), known?.trust.origin ?? "");
  if (known === null) {
    put(at("key"), note("warn", h("b", {}, start.reason), " Get the log's vkey from someone you trust, and enter it here. Nothing is checked without it."), form(null));
    return;
  }
  put(at("key-meta"), meta(known));
  const warning = known.isConfirmed ? null : note("warn", h("b", {}, known.kept.source === "log" ? "Key taken from the log itself: not verified." : `Key ${FROM[known.kept.source]}: not confirmed.`),
    " Compare its fingerprint with one from an auditor, a witness or a customer of the log, not from the log's operator. Until you confirm the key, this page shows what holds if the key is right.");
  put(at("key"), contradiction(known), warning, known.isConfirmed ? null : form(known));
  put(at("key-more"), known.isConfirmed ? form(known) : null);
}

function contradiction({ kept, conflict }: Known): Child {
  if (conflict === null) return null;
  return alarm("Two keys claim to be this log's",
    h("p", { class: "sec-t" }, `This page checks with the key that it knew first, ${FROM[kept.source]}. Another one is ${FROM[conflict.source]}. Either the log is not the one you know, or another server answers in its place.`),
    h("p", { class: "sec-t" }, "Fingerprint of the other key: ", digest(fingerprintOf(conflict.vkey), "the other key's fingerprint")));
}

function meta(known: Known): Child {
  const { kept, trust } = known;
  const part = (name: string, value: Child): HTMLElement => h("span", {}, h("span", { class: "b" }, name), " ", value);
  return [
    part("Public key", digest(kept.vkey, "the log's public key", { head: Math.min(48, trust.origin.length + 9), tail: 6 })),
    part("SHA-256 fingerprint", digest(known.fingerprint, "the fingerprint")),
    h("span", {}, known.isConfirmed ? status("ok", "Confirmed by you") : status("warn", "Not confirmed")),
    part("Witness policy", policyWords(known)),
  ];
}

function policyWords({ trust, isConfirmed }: Known): string {
  if (trust.policy === null) return "none";
  const words = trust.policy.isQuorumNone ? "no cosignature is asked for" : count(trust.policy.witnesses.length, "witness", "witnesses");
  return isConfirmed ? words : `${words}, not confirmed`;
}

function form(known: Known | null): HTMLElement {
  const failed = h("p", { class: "s bad", id: "key-failed", role: "alert" });
  const body = h("form", { class: "pad stack" },
    h("div", {}, h("label", { for: "vkey", class: "s b" }, "The log's vkey"), h("input", { id: "vkey", spellcheck: "false", autocomplete: "off" })),
    h("div", {}, h("label", { for: "policy", class: "s b" }, "Witness policy (C2SP tlog-policy), if you have one"), h("textarea", { id: "policy", rows: 5, spellcheck: "false" })),
    failed,
    h("div", { class: "acts" }, h("button", { class: "btn main-act", type: "submit" }, known === null ? "Use this key" : "I have compared it: use this key"),
      known === null ? null : forget()));
  body.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit(failed);
  });
  const details = h("details", { class: "panel needs-js", id: "key-form" }, h("summary", { class: "pad" }, known === null ? "Enter the key" : "Change or confirm the key"), body);
  if (known === null) details.open = true;
  queueMicrotask(() => {
    if (known === null || document.getElementById("vkey") === null) return;
    field("vkey").value = known.kept.vkey;
    field("policy").value = known.kept.policy ?? "";
  });
  return details;
}

async function submit(failed: HTMLElement): Promise<void> {
  const vkey = field("vkey").value.trim();
  const typed = field("policy").value;
  const policy = typed.trim() === "" ? null : `${typed.replace(/\r\n/g, "\n").trimEnd()}\n`;
  try {
    await makeTrust(vkey, policy);
  } catch (error) {
    put(failed, `This cannot be used: ${error instanceof VerifyError ? error.message : "unknown error"}.`);
    return;
  }
  if (!keep({ vkey, policy, source: "you", isConfirmed: true })) {
    put(failed, "This browser keeps nothing for this page, so the key cannot be remembered. Allow storage for this site.");
    return;
  }
  // The fragment has been dealt with; it must not contradict what was just confirmed.
  history.replaceState(null, "", location.pathname + location.search);
  location.reload();
}

function forget(): HTMLElement {
  const button = h("button", { class: "btn", type: "button" }, "Forget this log's key");
  button.addEventListener("click", () => {
    remember(logUrl(), "key", null);
    remember(logUrl(), "head", null);
    location.reload();
  });
  return button;
}
