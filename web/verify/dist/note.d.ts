import { type Bytes } from "./bytes.js";
import type { Crypto } from "./crypto.js";
import { type VerifyingKey } from "./key.js";
/** Longest note, in bytes. */
export declare const MAX_NOTE_BYTES: number;
/** Most signature lines of a note. */
export declare const MAX_SIGNATURE_LINES = 100;
/** One signature line, unverified. */
export interface SignatureLine {
    readonly name: string;
    readonly id: string;
    readonly payload: Bytes;
}
/** A note that was read and not verified. */
export interface UnverifiedNote {
    /** The whole note. */
    readonly note: string;
    /** The text, which anyone may have written. It ends in LF. */
    readonly text: string;
    readonly lines: readonly SignatureLine[];
}
/** A signature that verified. */
export interface VerifiedSignature {
    readonly key: VerifyingKey;
    /** POSIX seconds by the signer's clock; null for type 0x01. */
    readonly timestamp: bigint | null;
}
/** A note that at least one given key verified, and none refuted. */
export interface VerifiedNote extends UnverifiedNote {
    readonly signatures: readonly VerifiedSignature[];
}
/** Refuses a text with control characters, or whose last line does not end in LF. */
export declare function checkText(text: string): void;
/** Reads a note. */
export declare function parseNote(bytes: string | Uint8Array): UnverifiedNote;
/** What to make of a second line by one key. */
export type Repeats = "ignore" | "refuse";
/**
 * Verifies a note with these keys. Lines of other keys are ignored.
 *
 * SPEC: one failing line of a given key refuses the note, and so does a note that no given key signed.
 */
export declare function verifyNote(note: UnverifiedNote, keys: readonly VerifyingKey[], crypto: Crypto, repeats?: Repeats): Promise<VerifiedNote>;
