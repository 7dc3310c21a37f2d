// Running the audit of the page's log in a worker.

import type { News, Order } from "./audit_worker.js";
import type { Opened } from "./page.js";

/** A log that is not longer than this is audited as soon as a page that shows an audit is opened. */
export const AUDITED_AT_ONCE = 20_000n;

export type Audited = Extract<News, { kind: "report" }>;

/** An audit under way. */
export interface Running {
  readonly done: Promise<Audited>;
  stop(): void;
}

/** Audits the log as the page opened it. Rejects if the log could not be read, or the audit was stopped. */
export function audit(opened: Opened, witnessed: readonly string[], onProgress: (done: number, total: number) => void): Running {
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
    };
    worker.postMessage(order);
  }).finally(() => worker.terminate());
  return { done, stop: () => stop() };
}
