// Numbers, times, plurals and bitmaps, as the pages write them.

/** Digits in groups of three. */
export function grouped(number: number | bigint): string {
  return number.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count with its unit. */
export function count(number: number | bigint, one: string, many = `${one}s`): string {
  return `${grouped(number)} ${BigInt(number) === 1n ? one : many}`;
}

/** Longest time that a date can hold. */
const MAX_MILLIS = 8.64e15;

/** A time in UTC, to the second. */
export function moment(millis: number): string {
  if (!Number.isFinite(millis) || Math.abs(millis) > MAX_MILLIS) return "a time out of range";
  return `${new Date(millis).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A day. */
export function day(millis: number): string {
  return moment(millis).slice(0, 10);
}

/** The days from one time to another. One day is named once. */
export function dayRange(from: number, to: number): string {
  const [first, last] = [day(from), day(to)];
  return first === last ? first : `${first} to ${last}`;
}

/** A duration in the one or two largest units. */
export function duration(millis: number): string {
  const seconds = Math.floor(Math.abs(millis) / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** How long ago that was. A clock that runs ahead is not taken for the past. */
export function ago(millis: number, now: number): string {
  return millis <= now ? `${duration(now - millis)} ago` : `${duration(millis - now)} ahead of this device's clock`;
}

/** The first bits each claim one thing. */
const EVIDENCE_NAMES = [
  "initiator", "verified session", "device", "workload identity", "credential window", "credential status checked", "grant", "approval or override",
  "policy decision", "policy pinned", "data class", "served model", "input committed", "output committed", "tool calls", "downstream calls", "outcome",
];
/** Those above them, by the lowest bit of each: one bit that claims one thing, or two that are a number. */
const HIGHER_NAMES: readonly (readonly [shift: number, ...names: string[]])[] = [
  [20, "sampled or lossy source"], [22, "profile low-risk", "profile regulated", "profile privileged"],
  [24, "credential valid at the moment", "credential not valid at the moment"], [26, "attributable"], [27, "complete"],
];

/** What a bitmap claims, in words, in the order of the bits. */
export function evidenceNames(bits: number): string[] {
  const higher = HIGHER_NAMES.flatMap(([shift, ...names]) => names[((bits >>> shift) & (names.length > 1 ? 3 : 1)) - 1] ?? []);
  return [...EVIDENCE_NAMES.filter((_, bit) => (bits >>> bit) & 1), ...higher];
}
