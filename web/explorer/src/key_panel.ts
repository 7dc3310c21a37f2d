// The panel in which a reader sees, enters and confirms the key of the log.

import { VerifyError } from "@vouchlog/verify";
import { alarm, at, digest, fact, field, h, note, put, status, type Child } from "./dom.js";
import { logUrl } from "./log.js";
import { fingerprintOf, keep, makeTrust, remember, type Known, type Source, type Start } from "./trust.js";

const FROM: Readonly<Record<Source, string>> = {
  you: "entered by you",
  link: "brought by the link that you followed",
  log: "taken from the log itself",
};

/** Draws the panel into `#key`, and the log's name into the frame. */
export function showKey(start: Start): void {
  const { known } = start;
  put(at("where"), known?.trust.origin ?? "");
  put(at("key"), known === null ? note("warn", h("b", {}, start.reason), " Get the log's vkey from someone you trust, and enter it below. Nothing is checked without it.") : keyOf(known), form(known));
}

function keyOf(known: Known): Child {
  const { kept, conflict } = known;
  const state = known.isConfirmed ? status("ok", "Confirmed by you") : status("warn", kept.source === "log" ? "Key taken from the log itself: not verified" : "Key not confirmed");
  return [
    conflict === null ? null : alarm("Two keys claim to be this log's",
      h("p", { class: "sec-t" }, `This page checks with the key that it knew first, ${FROM[kept.source]}. Another one is ${FROM[conflict.source]}. Either the log is not the one you know, or somebody stands in between.`),
      h("p", { class: "sec-t" }, "The other key's fingerprint: ", digest(fingerprintOf(conflict.vkey), "the other key's fingerprint"))),
    h("div", { class: "panel pad" }, h("h2", { class: "vh" }, "Key"), h("dl", { class: "kv" },
      fact("Public key", digest(kept.vkey, "the log's public key", { head: Math.min(48, known.trust.origin.length + 9), tail: 6 })),
      fact("SHA-256 fingerprint", digest(known.fingerprint, "the fingerprint")),
      fact("This key was", FROM[kept.source]),
      fact("State", state),
      fact("Witness policy", policyWords(known)))),
    known.isConfirmed ? null : note("warn", h("b", {}, "Compare the fingerprint before you rely on this page."),
      " Ask an auditor, a witness or the log's customer for it, not the log's operator. Until you confirm the key, this page shows what holds if the key is right."),
  ];
}

function policyWords({ trust, isConfirmed }: Known): string {
  if (trust.policy === null) return "None. Without one, a log that shows different trees to different readers goes unnoticed.";
  const words = trust.policy.isQuorumNone ? "it asks for no cosignature" : `${trust.policy.witnesses.length} witnesses`;
  return isConfirmed ? `Yours: ${words}.` : `Not confirmed: ${words}.`;
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
    submit(failed);
  });
  const details = h("details", { class: "panel sec-t needs-js", id: "key-form" }, h("summary", { class: "pad" }, known === null ? "Enter the key" : "Change or confirm the key"), body);
  if (known === null) details.open = true;
  queueMicrotask(() => {
    if (known === null || document.getElementById("vkey") === null) return;
    field("vkey").value = known.kept.vkey;
    field("policy").value = known.kept.policy ?? "";
  });
  return details;
}

function submit(failed: HTMLElement): void {
  const vkey = field("vkey").value.trim();
  const typed = field("policy").value;
  const policy = typed.trim() === "" ? null : `${typed.replace(/\r\n/g, "\n").trimEnd()}\n`;
  try {
    makeTrust(vkey, policy);
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
