import { auditLog, VerifyError } from "./verify/index.js";
import { readerOf } from "./log.js";
import { Survey } from "./survey.js";
import { makeTrust } from "./trust.js";
const PROGRESS_PAUSE = 100;
const IN_FLIGHT = 24;
const post = (news) => postMessage(news);
function readerFor(root, checkpoint) {
    const read = readerOf(new URL(root), "no-store");
    return async (path) => (path === "checkpoint" ? new TextEncoder().encode(checkpoint) : read(path));
}
async function run({ root, vkey, policy, checkpoint, verified, witnessed, now }) {
    const survey = new Survey();
    const begun = performance.now();
    let told = 0;
    try {
        const report = await auditLog(readerFor(root, checkpoint), makeTrust(vkey, policy), {
            ...(verified === null ? {} : { verified }),
            witnessed, now, inFlight: IN_FLIGHT,
            onEntry: (index, bytes) => survey.entry(index, bytes),
            onProgress: (done, total) => {
                if (performance.now() - told < PROGRESS_PAUSE)
                    return;
                told = performance.now();
                post({ kind: "progress", done, total });
            },
        });
        post({ kind: "report", report, survey: survey.result(), millis: performance.now() - begun });
    }
    catch (error) {
        if (!(error instanceof VerifyError))
            throw error;
        post({ kind: "failed", words: error.message });
    }
}
addEventListener("message", (event) => {
    run(event.data).catch((error) => post({ kind: "failed", words: error instanceof Error ? error.message : "an error without words" }));
});
