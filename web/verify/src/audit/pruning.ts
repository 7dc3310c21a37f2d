// Entries that a log gave up: whether it announced that in an entry of the tree, signed with its key. What is below the minimum index and not served is then
// not checked; everything else that is not served is a finding.

import { openPruning, type Pruning } from "../control.js";
import { tryDecodeEntry } from "../entry.js";
import { orNull } from "../errors.js";
import { leafHash, verifyInclusion, type TreeHead } from "../merkle.js";
import { parseBundle, TILE_WIDTH, tileWidth } from "../tile.js";
import type { Trust } from "../trust.js";
import type { Log } from "./log.js";
import { Nodes } from "./nodes.js";

/** A minimum index that a log announced, and the entry that does. */
export interface AnnouncedPruning extends Pruning { readonly entry: bigint }

/** What a log announced that it gave up; null if the tree does not have an announcement, signed by the log, where the log says that it is. */
export async function announcedPruning(log: Log, head: TreeHead, trust: Trust): Promise<AnnouncedPruning | null> {
  const index = await log.pruned();
  if (index === null || index >= head.size) return null;
  const bundle = index / BigInt(TILE_WIDTH);
  const width = tileWidth(0, bundle, head.size);
  const bytes = await log.bundle(Number(bundle), width);
  const entry = bytes === null ? undefined : parseBundle(bytes, width)?.[Number(index % BigInt(TILE_WIDTH))];
  const decoded = tryDecodeEntry(entry);
  const path = await new Nodes(log, head.size).inclusion(index);
  if (entry === undefined || decoded?.kind !== "log-pruned" || path === null) return null;
  const proven = await orNull((async () => verifyInclusion(index, head, leafHash(entry), path.map(({ hash }) => hash)))());
  const pruning = await orNull(openPruning(decoded.note, trust.origin, trust.log, trust.crypto));
  if (proven === null || pruning === null || pruning.minimum > index) return null;
  return { ...pruning, entry: index };
}
