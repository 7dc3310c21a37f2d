import { refuse } from "./errors.js";
export const TILE_WIDTH = 256;
export const TILE_LEVELS = 8;
export const MAX_ENTRY_BYTES = 65_535;
export function formatTilePath({ level, index, width }) {
    let digits = index.toString();
    digits = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
    const groups = digits.match(/.{3}/g).map((group, at, all) => (at < all.length - 1 ? `x${group}` : group));
    return `tile/${level}/${groups.join("/")}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}
export function parseTilePath(path) {
    const match = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,6}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
    if (match === null)
        refuse("format", "this is not the path of a tile");
    const level = match[1] === "entries" ? "entries" : Number(match[1]);
    const index = BigInt(match[2].replace(/[x/]/g, ""));
    const width = match[3] === undefined ? TILE_WIDTH : Number(match[3]);
    const parsed = { level, index, width };
    const isPartial = match[3] !== undefined;
    const fits = (level === "entries" || level < 64) && index < 1n << 64n && (!isPartial || width < TILE_WIDTH);
    if (!fits || formatTilePath(parsed) !== path)
        refuse("format", "this is not the path of a tile");
    return parsed;
}
export function tileWidth(level, index, size) {
    const hashes = size >> BigInt(8 * level);
    const left = hashes - index * 256n;
    return left <= 0n ? 0 : left >= 256n ? TILE_WIDTH : Number(left);
}
export function partialTiles(size) {
    const tiles = [];
    for (let level = 0; level < TILE_LEVELS; level++) {
        const hashes = size >> BigInt(8 * level);
        const width = Number(hashes % 256n);
        if (width > 0)
            tiles.push({ level, index: hashes / 256n, width });
    }
    return tiles;
}
export function parseTile(bytes, width) {
    if (bytes.length !== width * 32)
        return null;
    return Array.from({ length: width }, (_, at) => bytes.subarray(32 * at, 32 * at + 32));
}
export const FRAME_BYTES = 2;
export function readFrames(bytes, limit) {
    const bounds = new Int32Array(limit + 1);
    let [count, at] = [0, 0];
    while (count < limit && at + FRAME_BYTES <= bytes.length) {
        const end = at + FRAME_BYTES + (bytes[at] << 8) + bytes[at + 1];
        if (end > bytes.length)
            break;
        bounds[++count] = at = end;
    }
    return { bounds, count, rest: at < bytes.length };
}
export function readEntries(bytes, limit) {
    const { bounds, count, rest } = readFrames(bytes, limit);
    return { entries: Array.from({ length: count }, (_, at) => bytes.subarray(bounds[at] + FRAME_BYTES, bounds[at + 1])), rest };
}
export function parseBundle(bytes, width) {
    const { entries, rest } = readEntries(bytes, width);
    return entries.length === width && !rest ? entries : null;
}
