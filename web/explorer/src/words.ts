// Numbers, times and plurals, as the pages write them.

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
