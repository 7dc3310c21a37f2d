import { type CosignedCheckpoint } from "./checkpoint.js";
import { type Enrolment, type Genesis, type Quota, type Revocation, type StreamOpening } from "./control.js";
import { type Entry, type StatementEntry } from "./entry.js";
import { type VerifyingKey } from "./key.js";
import { KeyChangeError, Operators } from "./operators.js";
import type { Trust } from "./trust.js";
/** An entry with the content of its note, if that verifies. */
export interface KnownEntry {
    readonly index: bigint;
    readonly bytes: Uint8Array;
    /** Null if the bytes cannot be decoded. */
    readonly entry: Entry | null;
    readonly opening: StreamOpening | null;
    readonly enrolment: Enrolment | null;
    readonly revocation: Revocation | null;
    readonly quota: Quota | null;
    /** Why no key of the operator in force signed an enrolment, revocation or quota; null if one did, or for any other entry. */
    readonly fault: OperatorFault | null;
    /** Why a change of the operator's key, or a rotation of a witness's, could not be let in; null if it could. */
    readonly change: ChangeFault | null;
    /** Whether it is the retirement of this log. */
    readonly retires: boolean;
    /** Whether it is the note by which this log continues another. */
    readonly continues: boolean;
    head: CosignedCheckpoint | null;
}
/** `unsigned`: by a key that is not known here; `retired`: by an operator's key that was replaced, and by none in force. */
export interface OperatorFault {
    readonly unsigned: boolean;
    readonly retired: boolean;
}
/** Why a note about a key does not come next. */
export interface ChangeFault {
    readonly why: "unsigned" | "content" | KeyChangeError["why"];
    /** Whether the keys that the note itself names signed it. */
    readonly isSignedByNamed: boolean;
    /** The operator's key that it replaces. */
    readonly replaces: VerifyingKey | null;
}
/** The stream that a statement or a head is of. */
export declare function streamOf(entry: Entry | null): bigint | null;
/** Entries of a log by index, in order. */
export declare class EntrySet {
    /** The genesis, if entry 0 is there and is the one of the log. */
    readonly genesis: Genesis | null;
    readonly list: readonly KnownEntry[];
    private readonly byIndex;
    /** The operator's keys, as far as these entries show them; null without genesis. */
    private readonly allOperators;
    private constructor();
    /** The operator's keys before an entry, as far as these entries show them. */
    operators(index: bigint): Operators | null;
    /** Opens every note of the entries. */
    static of(entries: ReadonlyMap<bigint, Uint8Array>, trust: Trust): Promise<EntrySet>;
    at(index: bigint): KnownEntry | undefined;
    /** The opening of a stream, if it is there and verifies. */
    opening(stream: bigint): StreamOpening | null;
    /** Whether every entry from one index to another is there. */
    hasAll(from: bigint, to: bigint): boolean;
    /** Whether entries between two that are there are missing. */
    get hasHoles(): boolean;
    /** The entries before an index. */
    before(index: bigint): readonly KnownEntry[];
    /** The statements of a stream, in order. */
    statements(stream: bigint): {
        index: bigint;
        bytes: Uint8Array;
        statement: StatementEntry;
    }[];
    /** The heads of the stream of an entry that stand before it and verify. */
    earlierHeads({ index, entry }: KnownEntry): {
        index: bigint;
        head: CosignedCheckpoint;
    }[];
    /** Whether an entry before `index` enrols the key. */
    isEnrolled(key: VerifyingKey, index: bigint): boolean;
    /** Indexes of the entries by which another key takes the place of this one. */
    replacements(key: VerifyingKey): bigint[];
    /** Where a key is withdrawn, and from when on: by a revocation, or by a replacement that it did not sign. */
    revocations(key: VerifyingKey): {
        index: bigint;
        effective: number;
    }[];
}
