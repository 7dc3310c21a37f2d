// What the tests use of this package beyond its public interface.

export { streamLeafHash, streamOrigin } from "../dist/entry.js";
export { REASON_CLASSES } from "../dist/errors.js";
export { FINDING_KINDS } from "../dist/kinds.js";
export { CompactRange, EMPTY_ROOT } from "../dist/merkle.js";
export { drawSample } from "../dist/sample.js";
export { partialTiles, tileWidth } from "../dist/tile.js";
import { tryDecodeEntry } from "../dist/entry.js";
import { sha256 } from "../dist/sha256.js";

export const tryDecode = (bytes) => tryDecodeEntry(bytes);
tryDecode.sha256 = sha256;
