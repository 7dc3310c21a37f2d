import { parseCheckpointText } from "./checkpoint_text.js";
import { refuse } from "./errors.js";
import { parseNote, verifyNote } from "./note.js";
export async function openCheckpoint(note, origin, keys, crypto) {
    for (const key of keys) {
        if (key.type === 0x04)
            refuse("key", "a key of type 0x04 does not sign for a log");
        if (key.type === 0x06 && key.name !== origin)
            refuse("key", "a log's key of type 0x06 must be named after its origin");
    }
    const opened = await open(note, origin, keys, crypto);
    checkExtensions(opened, opened.note.signatures);
    return opened;
}
export async function openCosigned(note, origin, key, crypto) {
    if (key.type !== 0x04)
        refuse("key", "the key is not of type 0x04");
    const opened = await open(note, origin, [key], crypto);
    return { ...opened, timestamp: opened.note.signatures[0].timestamp };
}
async function open(note, origin, keys, crypto) {
    const verified = await verifyNote(parseNote(note), keys, crypto, "refuse");
    const checkpoint = parseCheckpointText(verified.text);
    if (checkpoint.origin !== origin)
        refuse("other-log", "the checkpoint is another log's");
    return { ...checkpoint, note: verified };
}
export function checkExtensions(checkpoint, byLog) {
    if (checkpoint.extensions.length > 0 && !byLog.some(({ key }) => key.type === 0x01)) {
        refuse("signature", "the checkpoint has extension lines that no signature of the log covers");
    }
}
