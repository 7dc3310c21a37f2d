import { type Bytes } from "./bytes.js";
import { type UnverifiedNote } from "./note.js";
/** The first line of every proof file. */
export declare const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
/** Longest proof file, in bytes. */
export declare const MAX_PROOF_FILE_BYTES: number;
/** A proof file as read; nothing in it is verified. */
export interface ProofFile {
    /** Data for the application: here, the bytes of the entry. */
    readonly extra: Bytes | null;
    readonly index: bigint;
    readonly proof: readonly Bytes[];
    readonly note: UnverifiedNote;
}
/** Reads a proof file. */
export declare function parseProofFile(file: string | Uint8Array): ProofFile;
