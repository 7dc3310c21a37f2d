export const REASON_CLASSES = [
    "too-large", "format", "key", "signature", "other-log", "quorum", "not-included", "entry", "note", "order",
    "other-key", "not-pinned", "revoked", "house-stream", "statement", "mismatch", "incomplete", "duplicate",
    "other-session", "no-entry", "unsupported", "refuted", "unreadable",
];
export class VerifyError extends Error {
    constructor(reason, message) {
        super(message);
        this.name = "VerifyError";
        this.reason = reason;
    }
}
export class UnsignedNote extends VerifyError {
}
export function refuse(reason, message) {
    throw new VerifyError(reason, message);
}
export function checkBytes(reason, what, length, most) {
    if (length > most)
        refuse(reason, `${what} has more than ${most} bytes`);
}
export function refusalIn(error) {
    if (error instanceof VerifyError && error.reason !== "unsupported")
        return error;
    throw error;
}
export function recast(reason, what, read) {
    try {
        return read();
    }
    catch (error) {
        return refuse(reason, `${what}: ${refusalIn(error).message}`);
    }
}
export async function recastAsync(reason, what, read) {
    try {
        return await read();
    }
    catch (error) {
        return refuse(reason, `${what}: ${refusalIn(error).message}`);
    }
}
export async function keepClass(what, check) {
    try {
        return await check();
    }
    catch (error) {
        throw error instanceof VerifyError ? new VerifyError(error.reason, `${what}: ${error.message}`) : error;
    }
}
export async function orNull(read) {
    try {
        return await read;
    }
    catch (error) {
        refusalIn(error);
        return null;
    }
}
