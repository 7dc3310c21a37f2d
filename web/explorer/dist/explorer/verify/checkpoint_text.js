import { decodeBase64, equalBytes, parseDecimal } from "./bytes.js";
import { recast, refuse } from "./errors.js";
import { checkOrigin } from "./key.js";
import { EMPTY_ROOT } from "./merkle.js";
const MAX_TREE_SIZE = (1n << 63n) - 1n;
export function parseCheckpointText(text) {
    if (!text.endsWith("\n"))
        refuse("format", "the checkpoint's last line does not end in a line feed");
    const [origin, decimal, base64, ...extensions] = text.slice(0, -1).split("\n");
    if (origin === undefined || decimal === undefined || base64 === undefined) {
        refuse("format", "a checkpoint has an origin, a size and a root");
    }
    recast("format", "the origin is rejected", () => checkOrigin(origin));
    const size = parseDecimal(decimal);
    if (size === null || size > MAX_TREE_SIZE)
        refuse("format", "the tree size is not a decimal number below 2^63");
    const root = base64.length === 44 ? decodeBase64(base64) : null;
    if (root === null || root.length !== 32)
        refuse("format", "the root is not base64 of 32 bytes");
    if (extensions.includes(""))
        refuse("format", "a line of the checkpoint is empty");
    if (size === 0n && !equalBytes(root, EMPTY_ROOT))
        refuse("format", "the tree is empty, but its root is another");
    return { origin, head: { size, root }, extensions };
}
