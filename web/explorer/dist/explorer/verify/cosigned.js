import { refusalIn } from "./errors.js";
import { sameKey } from "./key.js";
import { verifyNote } from "./note.js";
export async function cosignatures(signed, trust) {
    const { policy } = trust;
    if (policy === null)
        return { forged: [], by: [], newest: null, quorum: true };
    const forged = [];
    const good = [];
    const by = [];
    let newest = null;
    for (const { name, key } of policy.witnesses) {
        if (!signed.note.lines.some((line) => line.name === key.name && line.id === key.id))
            continue;
        try {
            const { signatures } = await verifyNote(signed.note, [key], trust.crypto);
            const time = signatures[0].timestamp;
            if (time !== null && (newest === null || time > newest))
                newest = time;
            by.push(name);
            good.push(key);
        }
        catch (error) {
            refusalIn(error);
            forged.push(key);
        }
    }
    return { forged, by, newest, quorum: policy.isMetBy((key) => good.some((one) => sameKey(one, key))) };
}
