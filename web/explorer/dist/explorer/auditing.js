export const AUDITED_AT_ONCE = 20000n;
export function audit(opened, witnessed, onProgress) {
    const worker = new Worker(new URL("./audit_worker.js", import.meta.url), { type: "module" });
    let stop = () => worker.terminate();
    const done = new Promise((resolve, reject) => {
        stop = () => reject(new Error("the audit was stopped"));
        worker.addEventListener("message", ({ data }) => {
            if (data.kind === "progress")
                onProgress(data.done, data.total);
            else if (data.kind === "report")
                resolve(data);
            else
                reject(new Error(data.words));
        });
        worker.addEventListener("error", (event) => reject(new Error(event.message || "the worker could not be started")));
        const { kept } = opened.known;
        const order = {
            root: opened.root.href, vkey: kept.vkey, policy: kept.policy, checkpoint: opened.signed.note.note, verified: opened.before, witnessed, now: Math.floor(Date.now() / 1000),
        };
        worker.postMessage(order);
    }).finally(() => worker.terminate());
    return { done, stop: () => stop() };
}
