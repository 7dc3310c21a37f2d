import { type Hash } from "./merkle.js";
/** Longest note in a control entry, in bytes. */
export declare const MAX_CONTROL_NOTE_BYTES: number;
/** Longest note of a log that continues another, in bytes: it holds a proof file. */
export declare const MAX_CONTINUATION_BYTES: number;
/** What a statement is about. */
export type StatementKind = "intent" | "interaction" | "session-seal" | "configuration" | "credential-event" | "disclosure" | "erasure" | "declared-loss" | "finding" | "heartbeat" | "hold" | "opaque";
/** Whether the first byte of an entry is that of a statement of a known kind. */
export declare function isStatementByte(byte: number): boolean;
/** Control entries whose body is a signed note. */
export type NoteKind = "genesis" | "stream-opened" | "gateway-enrolled" | "gateway-revoked" | "quota-set" | "operator-changed" | "witness-rotated" | "log-retired" | "log-continued" | "log-pruned";
/** A statement as the log took it. */
export interface StatementEntry {
    readonly kind: StatementKind;
    readonly isStatement: true;
    /** Milliseconds since 1970 by the log's clock. */
    readonly loggedAt: number;
    /** The index of the entry that opened the stream. */
    readonly stream: number;
    readonly sequence: number;
    /** The evidence bitmap. */
    readonly evidence: number;
    /** 64 hexadecimal digits. */
    readonly digest: string;
}
/** An entry that carries a signed note. Its signatures are checked where it is used. */
export interface NoteEntry {
    readonly kind: NoteKind;
    readonly isStatement: false;
    readonly loggedAt: number;
    readonly note: string;
}
/** The head of a stream, as its gateway signed it. */
export interface HeadEntry {
    readonly kind: "stream-head" | "stream-closed";
    readonly isStatement: false;
    readonly loggedAt: number;
    readonly stream: number;
    readonly note: string;
}
/** An entry of the log. */
export type Entry = StatementEntry | NoteEntry | HeadEntry;
/** Whether it is the head of a stream. */
export declare const isHead: (entry: Entry | null) => entry is HeadEntry;
/** Whether a bitmap has only bits with a meaning. */
export declare function isEvidence(bits: number): boolean;
/** The statement kinds by name. */
export declare function isStatementKind(name: string): name is StatementKind;
/** Reads an entry. */
export declare function decodeEntry(bytes: Uint8Array): Entry;
/** Whether the bytes are an entry of a control kind that a later version may have. */
export declare function isOfUnknownControlKind(bytes: Uint8Array): boolean;
/** The entry, or null if the bytes are none. */
export declare function tryDecodeEntry(bytes: Uint8Array | undefined): Entry | null;
/** The leaf hash of a statement in its stream's own tree, from the bytes of its entry: kind, evidence and digest. */
export declare function streamLeafHash(entry: Uint8Array): Hash;
/** The origin of a stream's checkpoints. */
export declare function streamOrigin(origin: string, stream: number | bigint): string;
