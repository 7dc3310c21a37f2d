// Running the audit of the page's log in a worker.

import type { News, Order } from "./audit_worker.js";
import type { Opened } from "./page.js";

/** A log that is not longer than this is audited as soon as a page that shows an audit is opened. */
export const AUDITED_AT_ONCE = 20_000n;

/** Of the tiles of level 0 of a longer log, one in so many is compared, unless the reader asks for all. */
const TILES_COMPARED = 16;

/** What is compared without asking the reader. */
export const tilesFor = ({ signed }: Opened): TilesCompared => (signed.head.size <= AUDITED_AT_ONCE ? "all" : "sample");

/** Which tiles of level 0 an audit compares with the entries. */
export type TilesCompared = "all" | "sample";

export type Audited = Extract<News, { kind: "report" }>;

/** An audit under way. */
export interface Running {
  readonly done: Promise<Audited>;
  stop(): void;
}

/** Audits the log as the page opened it: every entry, and all of the hash tiles or a sample. Rejects if the log could not be read, or the audit was stopped. */
export function audit(opened: Opened, witnessed: readonly string[], tiles: TilesCompared, onProgress: (done: number, total: number) => void): Running {
  const worker = new Worker(new URL("./audit_worker.js", import.meta.url), { type: "module" });
  let stop = (): void => worker.terminate();
  const done = new Promise<Audited>((resolve, reject) => {
    stop = () => reject(new Error("the audit was stopped"));
    worker.addEventListener("message", ({ data }: MessageEvent<News>) => {
      if (data.kind === "progress") onProgress(data.done, data.total);
      else if (data.kind === "report") resolve(data);
      else reject(new Error(data.words));
    });
    worker.addEventListener("error", (event) => reject(new Error(event.message || "the worker could not be started")));
    const { kept } = opened.known;
    const order: Order = {
      root: opened.root.href, vkey: kept.vkey, policy: kept.policy, checkpoint: opened.signed.note.note, verified: opened.before, witnessed, now: Math.floor(Date.now() / 1000),
      compareTiles: tiles === "sample" ? TILES_COMPARED : 1,
    };
    worker.postMessage(order);
  }).finally(() => worker.terminate());
  return { done, stop: () => stop() };
}
