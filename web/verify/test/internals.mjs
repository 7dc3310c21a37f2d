// What the tests use of this package beyond its public interface.

export { FINDING_KINDS } from "../dist/kinds.js";
export { streamLeafHash } from "../dist/entry.js";
import { tryDecodeEntry } from "../dist/entry.js";
import { sha256 } from "../dist/sha256.js";

export const tryDecode = (bytes) => tryDecodeEntry(bytes);
tryDecode.sha256 = sha256;
