import { openPruning } from "../control.js";
import { tryDecodeEntry } from "../entry.js";
import { orNull } from "../errors.js";
import { leafHash, verifyInclusion } from "../merkle.js";
import { parseBundle, TILE_WIDTH, tileWidth } from "../tile.js";
import { Nodes } from "./nodes.js";
export async function announcedPruning(log, head, trust) {
    const index = await log.pruned();
    if (index === null || index >= head.size)
        return null;
    const bundle = index / BigInt(TILE_WIDTH);
    const width = tileWidth(0, bundle, head.size);
    const bytes = await log.bundle(Number(bundle), width);
    const entry = bytes === null ? undefined : parseBundle(bytes, width)?.[Number(index % BigInt(TILE_WIDTH))];
    const decoded = tryDecodeEntry(entry);
    const path = await new Nodes(log, head.size).inclusion(index);
    if (entry === undefined || decoded?.kind !== "log-pruned" || path === null)
        return null;
    const proven = await orNull((async () => verifyInclusion(index, head, leafHash(entry), path.map(({ hash }) => hash)))());
    const pruning = await orNull(openPruning(decoded.note, trust.origin, trust.log, trust.crypto));
    if (proven === null || pruning === null || pruning.minimum > index)
        return null;
    return { ...pruning, entry: index };
}
