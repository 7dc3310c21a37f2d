// Which key and which witness policy a page checks a log with, and how far its reader stands behind them.
//
// A key that comes from the log itself proves nothing: a forged log comes with the forger's key. Until the reader has confirmed a key,
// no page shows "verified" for anything that rests on it.

import { encodeHex, sha256, Trust, VerifyError } from "@vouchlog/verify";
import { status, type Tone } from "./dom.js";
import { logUrl, readUrl } from "./log.js";
import { loadMlDsa } from "./ml_dsa.js";

/** Where a key or a policy came from. */
export type Source = "you" | "link" | "log";

/** What is kept about a log in this browser. */
export interface Kept { readonly vkey: string; readonly policy: string | null; readonly source: Source; readonly isConfirmed: boolean }

/** Longest vkey and policy that are read from a link or from the log. */
const MAX_VKEY = 4096;
const MAX_POLICY = 1 << 20;

/** What a page checks with. */
export class Known {
  constructor(
    readonly trust: Trust,
    readonly kept: Kept,
    /** Another key for the same log, from its link or its server: one of the two is wrong. */
    readonly conflict: { readonly vkey: string; readonly source: Source } | null,
  ) {}

  get isConfirmed(): boolean {
    return this.kept.isConfirmed;
  }

  /** SHA-256 of the vkey's text: `printf %s "$VKEY" | sha256sum`. */
  get fingerprint(): string {
    return fingerprintOf(this.kept.vkey);
  }

  /** The status of a check that passed: good only if the reader confirmed the key that it rests on. */
  affirm(words: string): HTMLElement {
    return this.isConfirmed ? status("ok", words) : status("warn", `${words}, by an unconfirmed key`);
  }

  /** The tone of a state that rests on the key: not good before the reader confirmed it. */
  tone(tone: Tone): Tone {
    return tone === "ok" && !this.isConfirmed ? "unk" : tone;
  }

  /** Whether the key changed under the reader's hands, so that nothing good may be said of the log. */
  get isContradicted(): boolean {
    return this.conflict !== null;
  }
}

/** What a page begins with: a key, or the reason why there is none. */
export type Start = { readonly known: Known } | { readonly known: null; readonly reason: string };

export function fingerprintOf(vkey: string): string {
  return encodeHex(sha256(new TextEncoder().encode(vkey)));
}

const storageName = (root: URL, what: string): string => `vouchlog:${what}:${root.href}`;

/** Storage that may be switched off: then a page remembers nothing, and shows that. */
export function remember(root: URL, what: string, value: string | null): boolean {
  try {
    if (value === null) localStorage.removeItem(storageName(root, what));
    else localStorage.setItem(storageName(root, what), value);
    return true;
  } catch {
    return false;
  }
}

export function recall(root: URL, what: string): string | null {
  try {
    return localStorage.getItem(storageName(root, what));
  } catch {
    return null;
  }
}

/** Reads what is kept; anything of another shape counts as nothing. */
export function parseKept(text: string | null): Kept | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { vkey, policy, source, isConfirmed } = value as Record<string, unknown>;
  const isSource = source === "you" || source === "link" || source === "log";
  if (typeof vkey !== "string" || !isSource || !(policy === null || typeof policy === "string")) return null;
  return { vkey, policy, source, isConfirmed: isConfirmed === true };
}

/** Keeps a key and a policy, and whether the reader confirmed them. */
export function keep(kept: Kept, root: URL = logUrl()): boolean {
  return remember(root, "key", JSON.stringify(kept));
}

/** What a link carries after `#`: `vkey=` and `policy=`, encoded as a form. A vkey has no spaces, so its plus signs may stand as they are. */
export function parseFragment(fragment: string): { vkey: string | null; policy: string | null } {
  const values = new URLSearchParams(fragment.replace(/^#/, ""));
  const [vkey, policy] = [values.get("vkey"), values.get("policy")];
  return {
    vkey: vkey !== null && vkey.length <= MAX_VKEY ? vkey.trim().replace(/ /g, "+") : null,
    policy: policy !== null && policy.length <= MAX_POLICY ? policy : null,
  };
}

/** A vkey or policy that the log's own server offers. It is shown, never trusted. */
async function offered(root: URL, name: string, most: number): Promise<string | null> {
  try {
    const bytes = await readUrl(new URL(`explorer/${name}`, root), most);
    return bytes === null ? null : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** What was kept before, what the link brings, and what the log offers, in this order. */
export interface Candidates {
  readonly kept: Kept | null;
  readonly link: { readonly vkey: string | null; readonly policy: string | null };
  readonly log: { readonly vkey: string | null; readonly policy: string | null };
}

/** Chooses the key to check with. What the reader confirmed is never replaced by what a link or a log brings. */
export function choose({ kept, link, log }: Candidates): { kept: Kept; conflict: Known["conflict"] } | null {
  const other = (own: string): Known["conflict"] => {
    if (link.vkey !== null && link.vkey !== own) return { vkey: link.vkey, source: "link" };
    return log.vkey !== null && log.vkey !== own ? { vkey: log.vkey, source: "log" } : null;
  };
  if (kept !== null) {
    // A policy that the reader did not give follows the link or the log, and stays unconfirmed with its key.
    const policy = kept.policy ?? (kept.isConfirmed ? null : (link.policy ?? log.policy));
    return { kept: { ...kept, policy }, conflict: other(kept.vkey) };
  }
  if (link.vkey !== null) {
    return { kept: { vkey: link.vkey, policy: link.policy ?? null, source: "link", isConfirmed: false }, conflict: other(link.vkey) };
  }
  if (log.vkey === null) return null;
  return { kept: { vkey: log.vkey, policy: log.policy, source: "log", isConfirmed: false }, conflict: null };
}

/** Finds out which key the page checks with. */
export async function start(root: URL = logUrl()): Promise<Start> {
  const [vkey, policy] = await Promise.all([offered(root, "log.vkey", MAX_VKEY), offered(root, "policy.txt", MAX_POLICY)]);
  const candidates = { kept: parseKept(recall(root, "key")), link: parseFragment(location.hash), log: { vkey: vkey?.trim() ?? null, policy } };
  const chosen = choose(candidates);
  if (chosen === null) return { known: null, reason: "No key is known for this log." };
  try {
    const trust = await makeTrust(chosen.kept.vkey, chosen.kept.policy);
    // A first key is remembered, so that another one later is noticed.
    if (candidates.kept === null) keep(chosen.kept, root);
    return { known: new Known(trust, chosen.kept, chosen.conflict) };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return { known: null, reason: `The key or the policy cannot be used: ${error.message}.` };
  }
}

/** Type of an ML-DSA-44 key. */
const ML_DSA_44 = 0x06;

/** The verifier's trust in a key and a policy. Throws a `VerifyError` if they are malformed, or ask for an algorithm that could not be loaded. */
export async function makeTrust(vkey: string, policy: string | null): Promise<Trust> {
  if (policy === null) return new Trust({ logVkey: vkey });
  const trust = new Trust({ logVkey: vkey, policy });
  const needsMlDsa = trust.policy?.witnesses.some(({ key }) => key.type === ML_DSA_44) ?? false;
  return needsMlDsa ? new Trust({ logVkey: vkey, policy, mlDsa44: await loadMlDsa() }) : trust;
}
