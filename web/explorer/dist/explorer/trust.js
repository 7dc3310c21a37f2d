import { encodeHex, sha256, Trust, VerifyError } from "./verify/index.js";
import { status } from "./dom.js";
import { logUrl, readUrl } from "./log.js";
import { loadMlDsa } from "./ml_dsa.js";
const MAX_VKEY = 4096;
const MAX_POLICY = 1 << 20;
export class Known {
    constructor(trust, kept, conflict) {
        this.trust = trust;
        this.kept = kept;
        this.conflict = conflict;
    }
    get isConfirmed() {
        return this.kept.isConfirmed;
    }
    get fingerprint() {
        return fingerprintOf(this.kept.vkey);
    }
    affirm(words) {
        return this.isConfirmed ? status("ok", words) : status("warn", `${words}, by an unconfirmed key`);
    }
    tone(tone) {
        return tone === "ok" && !this.isConfirmed ? "unk" : tone;
    }
    get isContradicted() {
        return this.conflict !== null;
    }
}
export function fingerprintOf(vkey) {
    return encodeHex(sha256(new TextEncoder().encode(vkey)));
}
const storageName = (root, what) => `vouchlog:${what}:${root.href}`;
export function remember(root, what, value) {
    try {
        if (value === null)
            localStorage.removeItem(storageName(root, what));
        else
            localStorage.setItem(storageName(root, what), value);
        return true;
    }
    catch {
        return false;
    }
}
export function recall(root, what) {
    try {
        return localStorage.getItem(storageName(root, what));
    }
    catch {
        return null;
    }
}
export function parseKept(text) {
    if (text === null)
        return null;
    let value;
    try {
        value = JSON.parse(text);
    }
    catch {
        return null;
    }
    if (typeof value !== "object" || value === null)
        return null;
    const { vkey, policy, source, isConfirmed } = value;
    const isSource = source === "you" || source === "link" || source === "log";
    if (typeof vkey !== "string" || !isSource || !(policy === null || typeof policy === "string"))
        return null;
    return { vkey, policy, source, isConfirmed: isConfirmed === true };
}
export function keep(kept, root = logUrl()) {
    return remember(root, "key", JSON.stringify(kept));
}
export function parseFragment(fragment) {
    const values = new URLSearchParams(fragment.replace(/^#/, ""));
    const [vkey, policy] = [values.get("vkey"), values.get("policy")];
    return {
        vkey: vkey !== null && vkey.length <= MAX_VKEY ? vkey.trim().replace(/ /g, "+") : null,
        policy: policy !== null && policy.length <= MAX_POLICY ? policy : null,
    };
}
async function offered(root, name, most) {
    try {
        const bytes = await readUrl(new URL(`explorer/${name}`, root), most);
        return bytes === null ? null : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    }
    catch {
        return null;
    }
}
export function choose({ kept, link, log }) {
    const other = (own) => {
        if (link.vkey !== null && link.vkey !== own)
            return { vkey: link.vkey, source: "link" };
        return log.vkey !== null && log.vkey !== own ? { vkey: log.vkey, source: "log" } : null;
    };
    if (kept !== null) {
        const policy = kept.policy ?? (kept.isConfirmed ? null : (link.policy ?? log.policy));
        return { kept: { ...kept, policy }, conflict: other(kept.vkey) };
    }
    if (link.vkey !== null) {
        return { kept: { vkey: link.vkey, policy: link.policy ?? null, source: "link", isConfirmed: false }, conflict: other(link.vkey) };
    }
    if (log.vkey === null)
        return null;
    return { kept: { vkey: log.vkey, policy: log.policy, source: "log", isConfirmed: false }, conflict: null };
}
export async function start(root = logUrl()) {
    const [vkey, policy] = await Promise.all([offered(root, "log.vkey", MAX_VKEY), offered(root, "policy.txt", MAX_POLICY)]);
    const candidates = { kept: parseKept(recall(root, "key")), link: parseFragment(location.hash), log: { vkey: vkey?.trim() ?? null, policy } };
    const chosen = choose(candidates);
    if (chosen === null)
        return { known: null, reason: "No key is known for this log." };
    try {
        const trust = await makeTrust(chosen.kept.vkey, chosen.kept.policy);
        if (candidates.kept === null)
            keep(chosen.kept, root);
        return { known: new Known(trust, chosen.kept, chosen.conflict) };
    }
    catch (error) {
        if (!(error instanceof VerifyError))
            throw error;
        return { known: null, reason: `The key or the policy cannot be used: ${error.message}.` };
    }
}
const ML_DSA_44 = 0x06;
export async function makeTrust(vkey, policy) {
    if (policy === null)
        return new Trust({ logVkey: vkey });
    const trust = new Trust({ logVkey: vkey, policy });
    const needsMlDsa = trust.policy?.witnesses.some(({ key }) => key.type === ML_DSA_44) ?? false;
    return needsMlDsa ? new Trust({ logVkey: vkey, policy, mlDsa44: await loadMlDsa() }) : trust;
}
