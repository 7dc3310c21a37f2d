import { VerifyError } from "./errors.js";
export const CHECKS = {
    checkpoint: ["format", "log-signature", "witnesses"],
    proof: ["format", "log-signature", "witnesses", "inclusion"],
    presentation: ["format", "operator", "gateway", "log-signature", "witnesses", "inclusion", "signature", "disclosures", "claims", "key-status"],
    session: ["format", "operator", "gateway", "log-signature", "witnesses", "inclusion", "signature", "disclosures", "claims", "key-status", "session"],
    completeness: ["format", "log-signature", "witnesses", "operator", "stream"],
    evidence: ["format", "finding"],
    sample: ["format", "log-signature", "witnesses", "draw", "inclusion"],
};
export async function traced(onCheck, name, about, run, facts = () => ({})) {
    let value;
    try {
        value = await run();
    }
    catch (error) {
        if (error instanceof VerifyError)
            onCheck?.({ name, about, facts: {}, refusal: error });
        throw error;
    }
    onCheck?.({ name, about, facts: facts(value), refusal: null });
    return value;
}
