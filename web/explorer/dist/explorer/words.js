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
