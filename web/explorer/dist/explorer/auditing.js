export const AUDITED_AT_ONCE = 20000n;
const TILES_COMPARED = 16;
export const tilesFor = ({ signed }) => (signed.head.size <= AUDITED_AT_ONCE ? "all" : "sample");
export function audit(opened, witnessed, tiles, onProgress) {
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
            compareTiles: tiles === "sample" ? TILES_COMPARED : 1,
        };
        worker.postMessage(order);
    }).finally(() => worker.terminate());
    return { done, stop: () => stop() };
}
