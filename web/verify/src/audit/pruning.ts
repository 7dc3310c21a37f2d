// Entries that a log gave up: whether it announced that in an entry of the tree, signed with its key. What is below the minimum index and not served is then
// not checked; everything else that is not served is a finding.

import { openPruning, type Pruning } from "../control.js";
import { decodeEntry } from "../entry.js";
import { orNull } from "../errors.js";
import type { TreeHead } from "../merkle.js";
import { Prover } from "../prover.js";
import type { Trust } from "../trust.js";
import type { Log } from "./log.js";

/** A minimum index that a log announced, and the entry that does. */
export interface AnnouncedPruning extends Pruning { readonly entry: bigint }

/** What a log announced that it gave up; null if the tree does not have an announcement, signed by the log, where the log says that it is. */
export async function announcedPruning(log: Log, head: TreeHead, trust: Trust): Promise<AnnouncedPruning | null> {
  const index = await log.pruned();
  return index === null ? null : orNull(announcement(new Prover(log, head), index, trust));
}

async function announcement(prover: Prover, index: bigint, trust: Trust): Promise<AnnouncedPruning | null> {
  const entry = decodeEntry((await prover.entry(index)).bytes);
  if (entry.kind !== "log-pruned") return null;
  const pruning = await openPruning(entry.note, trust.origin, trust.log, trust.crypto);
  return pruning.minimum > index ? null : { ...pruning, entry: index };
}
