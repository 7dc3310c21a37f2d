import { VerifyError } from "./verify/index.js";
import { auditLog } from "./verify/audit/audit.js";
import { useVectors } from "./verify/vectors.js";
import { readerOf, severalOf } from "./log.js";
import { Survey } from "./survey.js";
import { makeTrust } from "./trust.js";
const PROGRESS_PAUSE = 400;
const IN_FLIGHT = 24;
const post = (news) => postMessage(news);
function readerFor(root, checkpoint) {
    const read = readerOf(new URL(root), "no-store");
    return async (path) => (path === "checkpoint" ? new TextEncoder().encode(checkpoint) : read(path));
}
async function run({ root, vkey, policy, checkpoint, verified, witnessed, now, compareTiles }) {
    const survey = new Survey();
    const begun = performance.now();
    let told = 0;
    try {
        const report = await auditLog(readerFor(root, checkpoint), await makeTrust(vkey, policy), {
            ...(verified === null ? {} : { verified }),
            witnessed, now, compareTiles, inFlight: IN_FLIGHT, readBundles: severalOf(new URL(root)),
            onEntry: (index, bytes, from, to) => survey.entry(index, bytes, from, to),
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
useVectors();
addEventListener("message", (event) => {
    run(event.data).catch((error) => post({ kind: "failed", words: error instanceof Error ? error.message : "an error without words" }));
});
