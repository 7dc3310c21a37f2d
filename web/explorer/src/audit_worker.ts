// A worker that audits a whole log and surveys its streams, so that the page stays responsive.

import { VerifyError, type AuditReport, type ReadObject } from "@vouchlog/verify";
import { auditLog } from "@vouchlog/verify/audit";
import { useVectors } from "@vouchlog/verify/vectors";
import { readerOf, severalOf } from "./log.js";
import { Survey, type Surveyed } from "./survey.js";
import { makeTrust } from "./trust.js";

/** What a page asks for. */
export interface Order {
  readonly root: string;
  readonly vkey: string;
  readonly policy: string | null;
  /** The checkpoint that is audited: the one that the page shows. */
  readonly checkpoint: string;
  /** The checkpoint that this browser verified before. */
  readonly verified: string | null;
  readonly witnessed: readonly string[];
  /** POSIX seconds. */
  readonly now: number;
  /** Of the tiles of level 0, one in so many is compared. */
  readonly compareTiles: number;
}

/** What the worker reports. */
export type News =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "report"; readonly report: AuditReport; readonly survey: Surveyed; readonly millis: number }
  | { readonly kind: "failed"; readonly words: string };

/** Milliseconds between two reports of progress. Each is painted, which on a computer without a GPU takes as long as hashing thousands of entries. */
const PROGRESS_PAUSE = 400;
/** Requests in flight: a browser opens six connections to a server, or streams of one. */
const IN_FLIGHT = 24;

const post = (news: News): void => postMessage(news);

/** Reads the log, but for the checkpoint, which the page has read before. What is read once is not worth a place in the browser's cache. */
function readerFor(root: string, checkpoint: string): ReadObject {
  const read = readerOf(new URL(root), "no-store");
  return async (path) => (path === "checkpoint" ? new TextEncoder().encode(checkpoint) : read(path));
}

async function run({ root, vkey, policy, checkpoint, verified, witnessed, now, compareTiles }: Order): Promise<void> {
  const survey = new Survey();
  const begun = performance.now();
  let told = 0;
  try {
    const report = await auditLog(readerFor(root, checkpoint), await makeTrust(vkey, policy), {
      ...(verified === null ? {} : { verified }),
      witnessed, now, compareTiles, inFlight: IN_FLIGHT, readBundles: severalOf(new URL(root)),
      onEntry: (index, bytes, from, to) => survey.entry(index, bytes, from, to),
      onProgress: (done, total) => {
        if (performance.now() - told < PROGRESS_PAUSE) return;
        told = performance.now();
        post({ kind: "progress", done, total });
      },
    });
    post({ kind: "report", report, survey: survey.result(), millis: performance.now() - begun });
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    post({ kind: "failed", words: error.message });
  }
}

useVectors();
addEventListener("message", (event: MessageEvent<Order>) => {
  run(event.data).catch((error: unknown) => post({ kind: "failed", words: error instanceof Error ? error.message : "an error without words" }));
});
