export function grouped(number) {
    return number.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}
export function count(number, one, many = `${one}s`) {
    return `${grouped(number)} ${BigInt(number) === 1n ? one : many}`;
}
const MAX_MILLIS = 8.64e15;
export function moment(millis) {
    if (!Number.isFinite(millis) || Math.abs(millis) > MAX_MILLIS)
        return "a time out of range";
    return `${new Date(millis).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
export function day(millis) {
    return moment(millis).slice(0, 10);
}
export function dayRange(from, to) {
    const [first, last] = [day(from), day(to)];
    return first === last ? first : `${first} to ${last}`;
}
export function duration(millis) {
    const seconds = Math.floor(Math.abs(millis) / 1000);
    if (seconds < 60)
        return `${seconds} s`;
    if (seconds < 3600)
        return `${Math.floor(seconds / 60)} min`;
    if (seconds < 48 * 3600)
        return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
    return `${Math.floor(seconds / 86400)} days`;
}
export function ago(millis, now) {
    return millis <= now ? `${duration(now - millis)} ago` : `${duration(millis - now)} ahead of this device's clock`;
}
const EVIDENCE_NAMES = [
    "initiator", "verified session", "device", "workload identity", "credential window", "credential status checked", "grant", "approval or override",
    "policy decision", "policy pinned", "data class", "served model", "input committed", "output committed", "tool calls", "downstream calls", "outcome",
];
const HIGHER_NAMES = [
    [20, "sampled or lossy source"], [22, "profile low-risk", "profile regulated", "profile privileged"],
    [24, "credential valid at the moment", "credential not valid at the moment"], [26, "attributable"], [27, "complete"],
];
export function evidenceNames(bits) {
    const higher = HIGHER_NAMES.flatMap(([shift, ...names]) => names[((bits >>> shift) & (names.length > 1 ? 3 : 1)) - 1] ?? []);
    return [...EVIDENCE_NAMES.filter((_, bit) => (bits >>> bit) & 1), ...higher];
}
